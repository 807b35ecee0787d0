//! A test in a network of its own, with nothing but its loopback, where addresses may come and go.

use std::io::Write as _;
use std::process::Command;

/// Set in the process that is in its own network.
const INSIDE: &str = "MUSTER_TEST_OWN_NETWORK";

/// Runs the test of this name again in a network namespace, and gives `false`; inside of it gives `true`. Where that
/// needs rights that this process does not have, says so and gives `false`.
///
/// # Panics
/// When the test fails inside.
pub fn in_own_network(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let can = Command::new("unshare").args(["--net", "true"]).status();
    if !can.is_ok_and(|status| status.success()) {
        let said = "skipped: a network namespace needs root\n";
        std::io::stderr().write_all(said.as_bytes()).ok();
        return false;
    }
    let own = std::env::current_exe().expect("a test knows its own path");
    let inside = Command::new("unshare")
        .args(["--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"])
        .arg(own)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .expect("unshare");
    assert!(inside.success(), "{test} failed in a network of its own");
    false
}
