//! Sessions of several people on one machine, prepared when a package comes, when somebody logs in, and by order.
#![cfg(unix)]

use muster_tests::{LocalUser, WholeMachine, World, eventually};

/// A package whose hook leaves a line in the home of whoever it runs as.
const SCRIPT: &str = "import getpass, os\n\ndef install():\n    pass\n\n\
    def session_setup():\n    with open(os.path.join(os.environ['HOME'], 'prepared'), 'a') as file:\n\
    \x20       file.write('%s %s\\n' % (control.version, getpass.getuser()))\n";

/// What the hook has left for somebody, and whose file it is.
fn prepared(machine: &WholeMachine, user: &str) -> String {
    let line = format!("cd \"$(getent passwd {user} | cut -d: -f6)\" && stat -c %U prepared && cat prepared");
    machine.shell(&line).stdout
}

fn expected(user: &str, versions: &[&str]) -> String {
    let lines: Vec<String> = versions
        .iter()
        .map(|version| format!("{version} {user}\n"))
        .collect();
    format!("{user}\n{}", lines.concat())
}

fn until(machine: &WholeMachine, user: &str, versions: &[&str]) {
    eventually(&format!("the session of {user} is prepared"), || {
        let found = prepared(machine, user);
        if found == expected(user, versions) {
            Ok(())
        } else {
            Err(found)
        }
    });
}

#[test]
fn everybody_who_is_logged_in_has_their_session_prepared_and_who_logs_in_later_then() {
    let (Some(ann), Some(ben), Some(cem)) = (LocalUser::create(), LocalUser::create(), LocalUser::create())
    else {
        return;
    };
    let (ann, ben, cem) = (ann.name(), ben.name(), cem.name());
    let world = World::start();
    world.publish(&world.sources("demo-desk", "1").script(SCRIPT));
    let agent = world.enrol("pc-1");
    let mut machine = WholeMachine::start(&agent, &[ann, ben, cem]);
    world.wait_until_reachable("pc-1");
    machine.log_in(ann);
    machine.log_in(ben);

    // A package that comes prepares the sessions that are open, each as its owner, and nobody else's.
    let order = world.order(&["install", "pc-1", "--package", "demo-desk"]);
    world.wait_for_target(&order, "done");
    until(&machine, ann, &["1"]);
    until(&machine, ben, &["1"]);
    assert_eq!(prepared(&machine, cem), "");

    // Whoever logs in later has it prepared then, once.
    for _logon in 0..2 {
        let done = machine.agent(cem, &["session-setup", "ALL", "--logon"]);
        assert_eq!((done.code, done.stdout.as_str()), (0, ""), "{done:?}");
    }
    assert_eq!(prepared(&machine, cem), expected(cem, &["1"]));

    // By order of somebody at the console: nothing anew unless it is forced, and for those who are logged in.
    let order = world.order(&["session-setup", "pc-1"]);
    let target = world.wait_for_target(&order, "done");
    let said = target["text"].as_str().unwrap();
    assert!(
        said.contains(ann) && said.contains(ben) && !said.contains(cem),
        "{said}"
    );
    assert_eq!(prepared(&machine, ann), expected(ann, &["1"]));
    let order = world.order(&["session-setup", "pc-1", "--package", "demo-desk", "--force"]);
    world.wait_for_target(&order, "done");
    assert_eq!(prepared(&machine, ann), expected(ann, &["1", "1"]));
    assert_eq!(prepared(&machine, ben), expected(ben, &["1", "1"]));
    assert_eq!(prepared(&machine, cem), expected(cem, &["1"]));

    // The next version is prepared again by itself.
    world.publish(&world.sources("demo-desk", "2").script(SCRIPT));
    let order = world.order(&["upgrade", "pc-1"]);
    world.wait_for_target(&order, "done");
    until(&machine, ann, &["1", "1", "2"]);
    until(&machine, ben, &["1", "1", "2"]);
    let log = machine.service().log();
    assert!(!log.contains("panicked"), "{log}");
}
