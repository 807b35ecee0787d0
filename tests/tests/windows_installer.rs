//! The Windows installer of the agent under Wine: silent, with everything that it is told, over an older version, and
//! gone again. That the service manager starts the service is for a real Windows to show.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use muster_tests::{WindowsMachine, World, eventually, run};

const UNINSTALL: &str = r"HKLM\Software\Microsoft\Windows\CurrentVersion\Uninstall\Muster agent";
const RUN: &str = r"HKLM\Software\Microsoft\Windows\CurrentVersion\Run";
const ENVIRONMENT: &str = r"HKLM\System\CurrentControlSet\Control\Session Manager\Environment";

/// The installer, with the CPython of the tests in it.
fn installer(folder: &Path) -> PathBuf {
    let (python, agent) = WindowsMachine::parts();
    let embed = folder.join("python-embed.zip");
    let zipped = Command::new("python3")
        .args(["-m", "zipfile", "-c"])
        .arg(&embed)
        .args(
            fs_err::read_dir(&python)
                .unwrap()
                .map(|entry| entry.unwrap().file_name()),
        )
        .current_dir(&python)
        .status()
        .unwrap();
    assert!(zipped.success());
    let hashed = Command::new("sha256sum").arg(&embed).output().unwrap();
    let sha256 = String::from_utf8(hashed.stdout).unwrap()[..64].to_owned();
    let script = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../packaging/agent/windows/build.sh"
    ));
    let build = |sha256: &str| {
        let args = [
            agent.as_os_str(),
            embed.as_os_str(),
            OsStr::new(sha256),
            folder.as_os_str(),
        ];
        run(script, &args, "", &[("TEST", OsStr::new("1"))])
    };
    // Another CPython than the one that was named is not packed.
    assert!(
        build(&"0".repeat(64))
            .refused()
            .contains("is not the CPython that was named")
    );
    PathBuf::from(build(&sha256).ok().trim())
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs_err::read_dir(folder)
        .map(|entries| {
            entries
                .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
                .collect()
        })
        .unwrap_or_default();
    names.sort();
    names
}

fn windows_path(path: &Path) -> String {
    format!("Z:{}", path.display()).replace('/', "\\")
}

#[test]
fn the_installer_brings_the_agent_registers_it_upgrades_it_and_takes_it_away() {
    let world = World::start();
    let machine = WindowsMachine::blank(world.folder());
    let setup = installer(world.folder());
    assert!(setup.file_name().unwrap().to_string_lossy().contains("-test-"));
    let trust = world.folder().join("certificates");
    fs_err::create_dir_all(&trust).unwrap();
    fs_err::copy(world.people().join("alice.crt"), trust.join("alice.crt")).unwrap();
    let program = machine.drive().join("Program Files/Muster");
    let path_before = machine.registry(ENVIRONMENT, "PATH").unwrap();

    // Unpacked to look at, nothing is installed.
    let look = world.folder().join("look");
    machine.start(&setup, &["/S", &format!("/UNPACK={}", windows_path(&look))]);
    assert_eq!(files(&look), ["muster-agent.exe"]);
    assert!(!program.exists());

    let token = world.enrolment_token();
    let installed = machine.start(
        &setup,
        &[
            "/S",
            &format!("/SERVER={}", world.address()),
            &format!("/TOKEN={token}"),
            &format!("/TRUST={}", windows_path(&trust)),
        ],
    );
    assert_eq!(
        files(&program),
        [
            "agent.toml",
            "muster-agent.exe",
            "python",
            "trust",
            "uninstall.exe"
        ],
        "{installed:?}"
    );
    assert_eq!(files(&program.join("trust")), ["alice.crt"]);
    assert!(program.join("python/python.exe").is_file());
    let version = machine.agent(&["--version"]).ok();
    let version = version.trim().strip_prefix("muster-agent ").unwrap().to_owned();
    assert_eq!(machine.registry(UNINSTALL, "DisplayVersion"), Some(version));
    let uninstall = machine.registry(UNINSTALL, "QuietUninstallString").unwrap();
    assert!(uninstall.ends_with("\\uninstall.exe\" /S"), "{uninstall}");
    assert!(
        machine
            .registry(RUN, "Muster session")
            .unwrap()
            .ends_with("\\muster-agent.exe\" session-setup ALL --logon")
    );
    let path = machine.registry(ENVIRONMENT, "PATH").unwrap();
    assert_eq!(path, format!("{path_before};C:\\Program Files\\Muster"));

    // Registered, with the CPython that it brought, and at work.
    let tested = machine.json(&["self-test"]);
    let host = tested["identifier"].as_str().unwrap().to_owned();
    assert!(
        tested["python"].as_str().unwrap().ends_with("python.exe"),
        "{tested}"
    );
    assert_eq!(tested["trusted"], 1);
    assert!(world.host_row(&host).is_some(), "{installed:?}");
    world.publish(&world.sources("demo-app", "1.0-0").marker());
    machine.agent(&["--standalone", "update"]).ok();
    machine.agent(&["--standalone", "install", "demo-app"]).ok();
    assert_eq!(machine.package("demo-app").unwrap()["status"], "OK");

    // Over what is there: settings, keys and packages stay, what does not belong goes.
    let settings = fs_err::read_to_string(program.join("agent.toml")).unwrap();
    fs_err::write(program.join("python/old-module.py"), "of an older version").unwrap();
    machine.start(&setup, &["/S"]);
    assert_eq!(
        fs_err::read_to_string(program.join("agent.toml")).unwrap(),
        settings
    );
    assert!(!program.join("python/old-module.py").exists());
    assert_eq!(machine.json(&["self-test"])["packages"], 1);
    assert_eq!(
        machine.registry(ENVIRONMENT, "PATH").as_deref(),
        Some(path.as_str())
    );

    // Away, the data stays; with /PURGE=1 nothing does.
    let state = machine.drive().join("ProgramData/Muster");
    machine.start(&program.join("uninstall.exe"), &["/S"]);
    eventually("the program is gone", || match files(&program) {
        left if left == ["agent.toml", "trust"] => Ok(()),
        left => Err(format!("{left:?}")),
    });
    assert_eq!(machine.registry(UNINSTALL, "DisplayVersion"), None);
    assert_eq!(machine.registry(RUN, "Muster session"), None);
    assert_eq!(machine.registry(ENVIRONMENT, "PATH"), Some(path_before));
    assert!(state.join("agent.sqlite").is_file());
    machine.start(&setup, &["/S"]);
    assert_eq!(machine.json(&["self-test"])["identifier"], host.as_str());
    machine.start(&program.join("uninstall.exe"), &["/S", "/PURGE=1"]);
    eventually("everything is gone", || {
        if program.exists() || state.exists() {
            Err(format!("{:?} {:?}", files(&program), files(&state)))
        } else {
            Ok(())
        }
    });
}

#[test]
fn an_installation_that_cannot_register_says_so_by_its_exit_code() {
    let world = World::initialised();
    let machine = WindowsMachine::blank(world.folder());
    let setup = installer(world.folder());
    let installed = machine.start(&setup, &["/S", "/SERVER=https://localhost:1", "/NOSERVICE=1"]);
    assert_eq!(installed.code, 3, "{installed:?}");
    machine.agent(&["--version"]).ok();
}
