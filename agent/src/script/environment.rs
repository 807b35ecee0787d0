//! The environment of the machine's scripts: what programs need to run, and nothing of how the agent was started.
//!
//! A shell's variables of an administrator, the service manager's sockets and everything that makes interpreters
//! and linkers load other code stay outside. Users' sessions have their own environment, see `platform`.

use std::ffi::{OsStr, OsString};

/// Variables that pass: where programs are, which language, which zone, which proxy; and what Windows programs
/// need in order to start at all.
const PASSED: [&str; 42] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "WINDIR",
    "COMSPEC",
    "PATHEXT",
    "TEMP",
    "TMP",
    "OS",
    "COMPUTERNAME",
    "USERNAME",
    "USERDOMAIN",
    "USERPROFILE",
    "HOMEDRIVE",
    "HOMEPATH",
    "APPDATA",
    "LOCALAPPDATA",
    "PROGRAMDATA",
    "ALLUSERSPROFILE",
    "PUBLIC",
    "PROGRAMFILES",
    "PROGRAMFILES(X86)",
    "PROGRAMW6432",
    "COMMONPROGRAMFILES",
    "COMMONPROGRAMFILES(X86)",
    "COMMONPROGRAMW6432",
    "NUMBER_OF_PROCESSORS",
];

/// Beginnings of variables that pass.
const PASSED_BEGINNINGS: [&str; 3] = ["LC_", "PROCESSOR_", "WINE"];

/// Where programs are when nobody says it.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What of this environment the scripts of the machine get, with what every script gets.
pub(super) fn of_scripts(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Vec<(OsString, OsString)> {
    let mut passed: Vec<(OsString, OsString)> = variables
        .into_iter()
        .filter(|(name, _value)| passes(name))
        .collect();
    let has = |wanted: &str, passed: &[(OsString, OsString)]| {
        passed
            .iter()
            .any(|(name, _value)| name.eq_ignore_ascii_case(wanted))
    };
    if !has("PATH", &passed) {
        passed.push(("PATH".into(), DEFAULT_PATH.into()));
    }
    // Nobody can answer a question.
    passed.push(("DEBIAN_FRONTEND".into(), "noninteractive".into()));
    passed
}

fn passes(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_uppercase();
    PASSED.contains(&name.as_str()) || PASSED_BEGINNINGS.iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Vec<String> {
        let given = variables
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        of_scripts(given)
            .into_iter()
            .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
            .collect()
    }

    #[test]
    fn nothing_that_loads_other_code_or_belongs_to_the_service_passes() {
        let passed = of(&[
            ("PATH", "/bin"),
            ("LC_ALL", "fr_FR.UTF-8"),
            ("https_proxy", "http://proxy"),
            ("SystemRoot", "C:\\Windows"),
            ("LD_PRELOAD", "/tmp/evil.so"),
            ("PYTHONPATH", "/tmp"),
            ("PYTHONSTARTUP", "/tmp/x.py"),
            ("NOTIFY_SOCKET", "/run/systemd/notify"),
            ("BASH_ENV", "/tmp/x"),
            ("MUSTER_AGENT_ROOT", "/elsewhere"),
        ]);
        assert_eq!(
            passed,
            [
                "PATH=/bin",
                "LC_ALL=fr_FR.UTF-8",
                "https_proxy=http://proxy",
                "SystemRoot=C:\\Windows",
                "DEBIAN_FRONTEND=noninteractive"
            ]
        );
    }

    #[test]
    fn programs_are_found_without_a_path() {
        assert!(of(&[]).contains(&format!("PATH={DEFAULT_PATH}")));
    }
}
