//! Packages become sources again: edit, duplicate, update-sources, run.

use crate::support::{Place, settings};

/// A key, a package with a script, and a repository folder that holds it.
fn place() -> Place {
    let place = Place::new().with_key();
    place.muster(&["package", "new", "demo-hello"]);
    place.write(
        "demo-hello/setup.py",
        "from setuphelpers import *\n\ndef install():\n    print('installing', control.version)\n\n\
         def audit():\n    return 'WARNING'\n",
    );
    place.ok(&["package", "build", "demo-hello", "-o", "repo"]);
    place.ok(&["repo", "index", "repo"]);
    place
}

/// Sources out of a package of the repository folder.
fn edit(place: &Place, package: &str, target: &str, more: &[&str]) -> String {
    let words = ["package", "edit", package, "--repo", "repo", "--target", target];
    place.muster(&[&words[..], more].concat())
}

#[test]
fn a_package_of_the_repository_is_unpacked_for_its_next_version() {
    let place = place();
    let edited = edit(&place, "demo-hello", "work", &[]);
    settings().bind(|| {
        insta::assert_snapshot!(edited, @r"
        exit code 0
        --- stdout
        work
        --- stderr
        demo-hello 1.0-0 is unpacked; the sources have version 1.0-1
        next: change setup.py, then muster package build work
        ");
    });
    let control = place.read("work/WAPT/control");
    assert!(control.contains("version           : 1.0-1\n"), "{control}");
    assert!(control.contains("signer            : \n"), "{control}");
    for gone in ["certificate.crt", "manifest.sha256", "signature.sha256"] {
        assert!(!place.path().join("work/WAPT").join(gone).exists(), "{gone}");
    }
    let built = place.muster(&["package", "build", "work", "-o", "repo"]);
    assert!(
        built.starts_with("exit code 0") && built.contains("1.0-1"),
        "{built}"
    );
    place.muster(&["repo", "index", "repo"]);
    // An old one is edited: the next version is above the repository's, not only above its own.
    let again = edit(&place, "demo-hello(=1.0-0)", "old", &["--json"]);
    assert!(again.contains("\"version\": \"1.0-2\""), "{again}");
}

#[test]
fn mistakes_in_editing_are_explained() {
    let place = place();
    fs_err::create_dir(place.path().join("work")).unwrap();
    let taken = edit(&place, "demo-hello", "work", &[]);
    settings().bind(|| {
        insta::assert_snapshot!(taken, @r"
        exit code 1
        --- stderr
        error: work exists already

        hint: choose another folder with --target, or replace it with --force
        ");
    });
    let force = || edit(&place, "demo-hello", "work", &["--force"]);
    // Whatever else it holds is nobody's to delete.
    let other = force();
    assert!(
        other.starts_with("exit code 1") && other.contains("holds no WAPT/control"),
        "{other}"
    );
    place.write(
        "work/WAPT/control",
        "package: demo-hello\nversion: 1.0-0\narchitecture: all\nsection: base\n",
    );
    let forced = force();
    assert!(forced.starts_with("exit code 0"), "{forced}");
    let unknown = place.muster(&["package", "edit", "demo-helo", "--repo", "repo"]);
    settings().bind(|| {
        insta::assert_snapshot!(unknown, @r"
        exit code 1
        --- stderr
        error: the repository has no package demo-helo

        hint: there is: demo-hello
        ");
    });
    let nowhere = place.muster(&["package", "edit", "demo-hello"]);
    settings().bind(|| {
        insta::assert_snapshot!(nowhere, @r"
        exit code 1
        --- stderr
        error: no repository is known yet

        hint: sign in to your server: muster sign-in 'muster://NAME#sha256=…'
        hint: or name a repository with --repo, or a .wapt file
        ");
    });
    place.muster(&["key", "create", "eve", "--type", "ec", "--no-password"]);
    let foreign = place.muster(&[
        "package",
        "edit",
        "repo/demo-hello_1.0-0.wapt",
        "--certificate",
        "eve.crt",
        "--target",
        "hers",
    ]);
    assert!(
        foreign.starts_with("exit code 1") && foreign.contains("the signer is not trusted"),
        "{foreign}"
    );
    assert!(!place.path().join("hers").exists());
}

#[test]
fn sources_and_packages_are_copied_under_another_name() {
    let place = place();
    let copied = place.muster(&[
        "package",
        "duplicate",
        "demo-hello",
        "demo-bye",
        "--version",
        "2.0-0",
    ]);
    settings().bind(|| {
        insta::assert_snapshot!(copied, @r"
        exit code 0
        --- stdout
        demo-bye
        --- stderr
        next: muster package build demo-bye
        ");
    });
    let control = place.read("demo-bye/WAPT/control");
    assert!(
        control.contains("package           : demo-bye\nversion           : 2.0-0\n"),
        "{control}"
    );
    assert_eq!(place.read("demo-bye/setup.py"), place.read("demo-hello/setup.py"));
    let built = place.muster(&[
        "package",
        "duplicate",
        "repo/demo-hello_1.0-0.wapt",
        "third",
        "--prefix",
        "demo",
        "--build",
        "--json",
    ]);
    assert!(
        built.contains("\"package\": \"demo-third\"") && built.contains("demo-third_1.0-0.wapt"),
        "{built}"
    );
    let same = place.muster(&[
        "package",
        "duplicate",
        "demo-hello",
        "demo-hello",
        "--target",
        "x",
    ]);
    settings().bind(|| {
        insta::assert_snapshot!(same, @r"
        exit code 1
        --- stderr
        error: the copy has the name of the original, demo-hello

        hint: `muster package edit` makes the next version of the same package
        ");
    });
    let taken = place.muster(&["package", "duplicate", "demo-hello", "demo-bye"]);
    assert!(taken.contains("demo-bye exists already"), "{taken}");
    let named = place.muster(&["package", "duplicate", "demo-hello", "demo bye"]);
    assert!(named.starts_with("exit code 1"), "{named}");
}

#[test]
fn update_package_raises_the_version_of_the_sources() {
    let place = place();
    place.write(
        "demo-hello/update_package.py",
        "from setuphelpers import *\n\ndef update_package():\n    print('looking for news')\n\
         \x20   with open('payload.txt', 'w') as file:\n        file.write('new')\n\
         \x20   control.set_software_version('1.1')\n    return True\n",
    );
    let updated = place.muster(&["package", "update-sources", "demo-hello"]);
    settings().bind(|| {
        insta::assert_snapshot!(updated, @r"
        exit code 0
        --- stdout
        demo-hello: 1.0-0 becomes 1.1-0
        --- stderr
        demo-hello: running update_package()…
        looking for news
        ");
    });
    assert!(
        place
            .read("demo-hello/WAPT/control")
            .contains("version           : 1.1-0\n")
    );
    assert_eq!(place.read("demo-hello/payload.txt"), "new");
    let again = place.muster(&["package", "update-sources", "demo-hello", "--json"]);
    assert!(
        again.contains("\"version_before\": \"1.1-0\"") && again.contains("\"version\": \"1.1-0\""),
        "{again}"
    );
    place.muster(&["package", "new", "demo-still"]);
    let partly = place.muster(&["package", "update-sources", "demo-hello", "demo-still"]);
    assert!(
        partly.starts_with("exit code 3") && partly.contains("demo-still has no update_package()"),
        "{partly}"
    );
    place.write(
        "demo-hello/update_package.py",
        "def update_package():\n    raise ValueError('the page has changed')\n",
    );
    let failed = place.muster(&["package", "update-sources", "demo-hello"]);
    assert!(
        failed.starts_with("exit code 1") && failed.contains("ValueError: the page has changed"),
        "{failed}"
    );
}

#[test]
fn one_hook_runs_here_and_its_word_is_the_exit_code() {
    let place = place();
    let installed = place.muster(&["package", "run", "demo-hello", "install"]);
    settings().bind(|| {
        insta::assert_snapshot!(installed, @r"
        exit code 0
        --- stdout
        installing 1.0-0
        --- stderr
             install(): OK
        ");
    });
    let audited = place.muster(&["package", "run", "demo-hello", "audit"]);
    assert!(
        audited.starts_with("exit code 1") && audited.contains("audit(): WARNING"),
        "{audited}"
    );
    let json = place.muster(&["package", "run", "demo-hello", "install", "--json"]);
    assert!(
        json.contains("\"status\": \"OK\"") && json.contains("--- stderr\ninstalling 1.0-0"),
        "{json}"
    );
    let absent = place.muster(&["package", "run", "demo-hello", "session-setup"]);
    assert!(
        absent.starts_with("exit code 1") && absent.contains("the sources have no session_setup()"),
        "{absent}"
    );
    let nowhere = place.muster(&["package", "run", "missing", "install"]);
    assert!(
        nowhere.contains("missing is not a folder of package sources"),
        "{nowhere}"
    );
    let no_agent = place.muster(&["package", "run", "demo-hello", "install", "--agent", "missing"]);
    settings().bind(|| {
        insta::assert_snapshot!(no_agent, @r"
        exit code 1
        --- stderr
        error: missing is not a program

        hint: name it with --agent PATH, or put it beside muster
        ");
    });
}

#[test]
fn a_hook_that_takes_too_long_is_ended() {
    let place = place();
    place.write(
        "demo-hello/setup.py",
        "import time\n\ndef install():\n    time.sleep(600)\n",
    );
    let ended = place.muster(&["package", "run", "demo-hello", "install", "--timeout", "1s"]);
    assert!(
        ended.starts_with("exit code 1") && ended.contains("was ended"),
        "{ended}"
    );
}

#[test]
fn what_still_has_the_former_name_in_a_copy_is_named() {
    let place = place();
    let setup = place.read("demo-hello/setup.py");
    place.write("demo-hello/setup.py", format!("FOLDER = 'demo-hello'\n{setup}"));
    let copied = place.muster(&["package", "duplicate", "demo-hello", "demo-other"]);
    assert!(
        copied.contains("note: demo-hello still stands in\n  setup.py:1: FOLDER = 'demo-hello'\n"),
        "{copied}"
    );
    let project = place.read("demo-other/WAPT/wapt.psproj");
    assert!(
        project.contains("install demo-other\"") && !project.contains("demo-hello"),
        "{project}"
    );
}
