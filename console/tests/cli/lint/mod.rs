//! `muster package lint`: findings with their places, and none in scripts that are right.

mod no_alarm;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Place, settings};

const CONTROL: &str = "package : demo-a\nversion : 1.0-1\narchitecture : all\nsection : base\npriority : optional\n\
                       description : A package\n";

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn sources(setup: &str) -> Place {
    let place = Place::new();
    place.write("demo/WAPT/control", CONTROL);
    place.write("demo/setup.py", setup);
    place
}

/// The findings as `line:code:severity`.
fn found(setup: &str) -> Vec<String> {
    codes(&sources(setup), "demo")
}

fn codes(place: &Place, path: &str) -> Vec<String> {
    let output = place
        .command(&["package", "lint", path, "--json"])
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            format!(
                "{}:{}:{}",
                finding["line"],
                finding["code"].as_str().unwrap(),
                finding["severity"].as_str().unwrap()
            )
        })
        .collect()
}

fn without_notes(setup: &str) -> Vec<String> {
    let mut found = found(setup);
    found.retain(|finding| !finding.ends_with(":note"));
    found
}

#[test]
fn a_script_of_python_2_is_shown_with_its_rewrites() {
    let place = sources(
        "from setuphelpers import *\nimport _winreg\nuninstallkey = []\n\ndef install():\n    print \"installing\"\n    \
         try:\n        run('setup.exe')\n    except Exception, e:\n        raise EWaptInstallError, 'failed'\n    \
         if control.has_key('x') and u'é' <> unicode('a'):\n        os.chmod('f', 0644)\n",
    );
    settings().bind(|| {
        insta::assert_snapshot!(place.muster(&["package", "lint", "demo"]), @r#"
exit code 1
--- stdout
demo/setup.py:2:8: error: the module _winreg is Python 2 [python2-import]
    write `import winreg`
demo/setup.py:6:5: error: the print statement is Python 2; print is a function [python2-print]
    write `print("installing")`
demo/setup.py:9:21: error: naming the exception behind a comma is Python 2 [python2-except]
    write `except Exception as e:`
demo/setup.py:10:32: error: raising with a comma is Python 2; exceptions are made by calling them [python2-raise]
    write `raise EWaptInstallError('failed')`
demo/setup.py:11:16: error: has_key() is Python 2; dictionaries of Python 3 do not have it [python2-name]
    write `key in dictionary`
demo/setup.py:11:38: error: the operator <> is Python 2 [python2-operator]
    write `if control.has_key('x') and u'é' != unicode('a'):`
demo/setup.py:11:41: error: unicode is Python 2; Python 3 does not have it [python2-name]
    write str: all text is Unicode
demo/setup.py:12:23: error: octal numbers with a bare zero are Python 2 [python2-octal]
    write `os.chmod('f', 0o644)`
--- stderr
8 errors, 0 warnings, 0 notes
"#);
    });
}

#[test]
fn the_list_of_names_is_what_the_agents_python_says() {
    let output = Command::new("python3")
        .arg("-B")
        .arg(repository("console/src/admin/lint/names.py"))
        .env("PYTHONPATH", repository("agent/python"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let now = String::from_utf8(output.stdout).unwrap();
    let kept = fs_err::read_to_string(repository("console/src/admin/lint/names.txt")).unwrap();
    let part = |text: &str, name: &str| -> Vec<String> {
        let (_, rest) = text.split_once(&format!("[{name}]\n")).unwrap();
        let (names, _) = rest.split_once("\n\n").unwrap();
        names.split_whitespace().map(str::to_owned).collect()
    };
    for name in ["setuphelpers", "injected", "carried"] {
        assert_eq!(
            part(&kept, name),
            part(&now, name),
            "[{name}]: run `make lint-names`"
        );
    }
    // Python's own differ from version to version: those of the one that runs here must be known.
    for name in ["builtins", "stdlib"] {
        let kept = part(&kept, name);
        let unknown: Vec<String> = part(&now, name)
            .into_iter()
            .filter(|name| !kept.contains(name))
            .collect();
        assert!(unknown.is_empty(), "[{name}] lacks {unknown:?}");
    }
}

#[test]
fn misspelt_helpers_and_hooks_are_named_with_what_was_meant() {
    let place = sources(
        "from setuphelpers import *\nuninstallkey = []\n\ndef install():\n    instal_msi_if_needed('a.msi')\n    \
         subproces.run('x')\n\ndef unistall():\n    remove_tre(makepath(programfiles, 'a'))\n\n\
         def audit(force):\n    return 'OK'\n",
    );
    settings().bind(|| {
        insta::assert_snapshot!(place.muster(&["package", "lint", "demo"]), @r#"
exit code 1
--- stdout
demo/setup.py:5:5: error: instal_msi_if_needed is not defined: neither the script nor setuphelpers has this name [unknown-helper]
    did you mean install_msi_if_needed?
demo/setup.py:6:5: error: subproces is not defined: neither the script nor setuphelpers has this name [unknown-helper]
    did you mean subprocess?
demo/setup.py:8:5: warning: unistall() is called by nobody: the agent calls install, uninstall, audit, session_setup, update_package [misspelt-hook]
    did you mean uninstall?
demo/setup.py:9:5: error: remove_tre is not defined: neither the script nor setuphelpers has this name [unknown-helper]
    did you mean remove_tree?
demo/setup.py:11:5: error: audit() asks for a parameter, but the agent calls it without any [hook-parameters]
    write `def audit():`; params, control, force and basedir are there without being passed
--- stderr
4 errors, 1 warning, 0 notes
"#);
    });
}

#[test]
fn names_outside_of_the_star_import_are_found_too() {
    assert_eq!(
        found(
            "from setuphelpers import makepath, instal_exe\nimport setuphelpers\nuninstallkey = []\n\
               def install():\n    setuphelpers.wgett('x')\n    isfile('x')\n"
        ),
        [
            "1:unknown-helper:error",
            "5:unknown-helper:error",
            "6:undefined-name:error"
        ]
    );
    assert_eq!(
        found("uninstallkey = []\ndef install():\n    subprocess.call(['x'])\n"),
        ["3:undefined-name:error"]
    );
}

#[test]
fn calls_that_wait_end_or_trust_anybody_are_warned_of() {
    assert_eq!(
        without_notes(
            "from setuphelpers import *\nuninstallkey = []\ndef ask():\n    return input('name? ')\n\
             def install():\n    ask()\n    wget('http://example.org/a.exe', 'a.exe')\n    \
             wget('https://example.org/a.exe', 'a.exe', verify_cert=False)\n    \
             wget('http://example.org/a.exe', 'a.exe', sha256='00')\n    create_user('x', password='secret')\n    \
             filecopyto('a', r'C:\\Program Files (x86)\\A')\n    sys.exit(1)\n    os.system('x')\n\
             def session_setup():\n    messagebox('a', 'b')\ndef update_package():\n    input('x')\n"
        ),
        [
            "4:interactive:warning",
            "7:unverified-download:warning",
            "8:unverified-download:warning",
            "10:secret:warning",
            "11:hard-coded-path:warning",
            "12:exit:warning",
            "13:deprecated:warning",
        ]
    );
}

#[test]
fn a_missing_uninstallkey_is_told_by_how_much_it_matters() {
    let silent = "from setuphelpers import *\ndef install():\n    print('x')\n";
    assert_eq!(found(silent), ["2:no-uninstallkey:note"]);
    let running = "from setuphelpers import *\ndef install():\n    run('setup.exe /S')\n";
    assert_eq!(found(running), ["2:no-uninstallkey:warning"]);
    let blind = "from setuphelpers import *\ndef install():\n    install_exe_if_needed('a.exe')\n";
    assert_eq!(
        found(blind),
        ["2:no-uninstallkey:note", "3:no-uninstallkey:warning"]
    );
    let keyed = "from setuphelpers import *\ndef install():\n    install_exe_if_needed('a.exe', '/S', 'A_is1', '1.0')\n";
    assert_eq!(found(keyed), ["2:no-uninstallkey:note"]);
}

#[test]
fn syntax_errors_and_odd_bytes_name_their_line() {
    assert_eq!(
        found("from setuphelpers import *\nuninstallkey = []\ndef install():\n    run('x'\n    y = = 2\n")
            .into_iter()
            .filter(|finding| finding.contains("syntax"))
            .count(),
        2
    );
    assert_eq!(
        without_notes("uninstallkey = []\ndef install():\n\tx = 1\n        y = 2\n"),
        ["4:tabs:error"]
    );
    let place = sources("");
    let cases: [(&[u8], &[&str]); 4] = [
        (
            b"\xef\xbb\xbfuninstallkey = []\r\ndef install():\r\n    print('x')\r\n",
            &["1:byte-order-mark:note"],
        ),
        (
            b"# coding: latin-1\nuninstallkey = []\ndef install():\n    print('\xe9')\n",
            &["1:encoding:note"],
        ),
        (
            b"uninstallkey = []\ndef install():\n    print('\xe9')\n",
            &["3:encoding:error"],
        ),
        (
            b"\xff\xfed\0e\0f\0 \0i\0n\0s\0t\0a\0l\0l\0(\0)\0:\0 \0p\0a\0s\0s\0",
            &["1:encoding:error", "1:no-uninstallkey:note"],
        ),
    ];
    for (bytes, expected) in cases {
        place.write("demo/setup.py", bytes);
        assert_eq!(codes(&place, "demo"), expected);
    }
}

#[test]
fn hostile_scripts_end_in_a_finding() {
    for text in [
        "(".repeat(100_000),
        format!("x = {}1", "-".repeat(300_000)),
        format!("x = {}", "1+".repeat(200_000)),
        format!("x = {}", "a.".repeat(200_000)),
        "if a:\n".repeat(100),
        "\u{0}".to_owned(),
        "'".repeat(100_001),
    ] {
        let found = found(&text);
        assert!(
            found.iter().any(|finding| finding.ends_with(":error")),
            "{}: {found:?}",
            &text[..10]
        );
    }
}

#[test]
fn the_exit_code_says_whether_it_can_work() {
    let clean = sources("from setuphelpers import *\nuninstallkey = []\ndef install():\n    print('x')\n");
    assert!(
        clean
            .muster(&["package", "lint", "demo"])
            .starts_with("exit code 0")
    );
    let warned =
        sources("from setuphelpers import *\nuninstallkey = []\ndef install():\n    os.system('x')\n");
    assert!(
        warned
            .muster(&["package", "lint", "demo"])
            .starts_with("exit code 0")
    );
    assert!(
        warned
            .muster(&["package", "lint", "demo", "--strict"])
            .starts_with("exit code 1")
    );
    let wrong = sources("def install():\n    print 'x'\n");
    assert!(
        wrong
            .muster(&["package", "lint", "demo"])
            .starts_with("exit code 1")
    );
    assert!(
        wrong
            .muster(&["package", "lint", "nowhere"])
            .starts_with("exit code 1")
    );
    assert!(wrong.muster(&["package", "lint"]).starts_with("exit code 2"));
}

#[test]
fn mistakes_stop_the_build_and_warnings_are_shown() {
    let place = Place::new().with_key();
    place.write("demo/WAPT/control", CONTROL);
    place.write(
        "demo/setup.py",
        "from setuphelpers import *\n\ndef install():\n    print 'x'\n",
    );
    let refused = place.muster(&["package", "build", "demo"]);
    assert!(refused.starts_with("exit code 1"), "{refused}");
    assert!(
        refused.contains("demo/setup.py:4:5") && refused.contains("write `print('x')`"),
        "{refused}"
    );
    assert!(!place.path().join("demo-a_1.0-1.wapt").exists());
    place.ok(&["package", "build", "demo", "--no-lint"]);
    place.write(
        "demo/setup.py",
        "from setuphelpers import *\nuninstallkey = []\ndef install():\n    os.system('x')\n",
    );
    let warned = place.muster(&["package", "build", "demo"]);
    assert!(
        warned.starts_with("exit code 0") && warned.contains("demo/setup.py:4:5: warning"),
        "{warned}"
    );
}

#[test]
fn update_package_py_shares_the_names_of_setup_py() {
    let place = sources(
        "from setuphelpers import *\nuninstallkey = []\nbin_contains = 'x'\ndef install():\n    print('x')\n",
    );
    place.write(
        "demo/update_package.py",
        "from setuphelpers import *\ndef update_package():\n    print(bin_contains)\n    wgetz('x')\n",
    );
    assert_eq!(codes(&place, "demo"), ["4:unknown-helper:error"]);
}

#[test]
fn the_control_file_and_the_icon_are_looked_at() {
    let place = Place::new();
    place.write(
        "demo/WAPT/control",
        "package : demo-a\nversion : __VERSION__\nsection : base\narchitecture : all\npriority : optional\n\
         descripton : A package\ndepends : a (>=1)\n",
    );
    place.write("demo/WAPT/icon.png", "GIF89a");
    settings().bind(|| {
        insta::assert_snapshot!(place.muster(&["package", "lint", "demo"]), @r#"
exit code 1
--- stdout
demo/WAPT/control:2:11: warning: version still holds __VERSION__, which a template should have replaced [unrendered-token]
    write the value, or run the step that fills the template before building
demo/WAPT/control:2:11: error: version is "__VERSION__": before the first dash a version has only whole numbers separated by dots, and "__VERSION__" is not one: "__VERSION__" [version]
    write for example 1.2.3-4
demo/WAPT/control:6:1: warning: descripton is not an attribute of the format; it is dropped at signing [unknown-attribute]
    did you mean description?
demo/WAPT/control:7:1: warning: description is empty: consoles and the self-service show nothing about the package [empty-description]
    say in one line what the package brings
demo/WAPT/control:7:11: error: depends is "a (>=1)": "a (>=1)": remove the blank before "(", older agents match no package with it [request]
    correct the list, for example a,b(>=1.2)
demo/WAPT/icon.png:1:1: warning: the icon is not a PNG picture, so that no console shows it [icon]
    save it as a PNG of 48×48 pixels
demo/setup.py:1:1: warning: there is no setup.py: the package installs nothing, it only brings its dependencies [setup-missing]
    add a setup.py with `def install():`, or make the section group
--- stderr
2 errors, 5 warnings, 0 notes
"#);
    });
}

#[test]
fn each_file_is_looked_at_by_itself() {
    let place = sources("uninstallkey = []\ndef install():\n    pass\n");
    place.write("not-a-zip.wapt", "nothing");
    let both = place.muster(&["package", "lint", "not-a-zip.wapt", "demo"]);
    assert!(
        both.starts_with("exit code 3") && both.contains("not-a-zip.wapt was not looked at"),
        "{both}"
    );
    let bad = place.muster(&["package", "lint", "not-a-zip.wapt", "nowhere.wapt"]);
    assert!(
        bad.starts_with("exit code 1") && bad.contains("check the path"),
        "{bad}"
    );
}

#[test]
fn a_line_without_a_colon_hides_nothing_else() {
    let place = sources("uninstallkey = 'demo'\ndef install():\n    pass\n");
    place.write(
        "demo/WAPT/control",
        CONTROL.replace("architecture : all\n", "oops\narchitecture : sparc\n"),
    );
    let mut found = codes(&place, "demo");
    found.retain(|finding| finding.ends_with(":error"));
    assert_eq!(
        found,
        [
            "3:control-unreadable:error",
            "4:architecture:error",
            "1:uninstallkey-text:error"
        ]
    );
}
