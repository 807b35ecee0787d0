//! Words of `wapt-get` that this command line does not have: what to type instead, said beside the refusal.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Commands of `wapt-get` that are for developers and servers, or that changed their name.
const COMMANDS: &[(&[&str], &str)] = &[
    (
        &["make-template"],
        "packages are made on an administrator's desk: muster package new --from INSTALLER",
    ),
    (
        &["make-group-template"],
        "packages are made on an administrator's desk: muster package new NAME --section group --depends LIST",
    ),
    (
        &["make-host-template", "edit-host"],
        "hosts are assigned packages with the console, or: muster host edit HOST --require PACKAGE",
    ),
    (
        &["build-package", "build"],
        "packages are made on an administrator's desk: muster package build FOLDER",
    ),
    (
        &["build-upload"],
        "packages are made on an administrator's desk: muster package build FOLDER, then muster package upload FILE",
    ),
    (
        &["sign-package", "sign-packages"],
        "packages are made on an administrator's desk: muster package sign FILE",
    ),
    (
        &["upload-package"],
        "packages are made on an administrator's desk: muster package upload FILE",
    ),
    (
        &["duplicate"],
        "packages are made on an administrator's desk: muster package duplicate PACKAGE NEW",
    ),
    (
        &["edit", "sources"],
        "packages are made on an administrator's desk: muster package edit PACKAGE",
    ),
    (
        &["update-package-sources", "update-sources"],
        "packages are made on an administrator's desk: muster package update-sources FOLDER",
    ),
    (
        &["scan-packages", "update-packages"],
        "the server keeps its index by itself; for a folder: muster repo index FOLDER",
    ),
    (
        &["create-keycert"],
        "keys are made on an administrator's desk: muster key create NAME",
    ),
    (
        &["check-valid-codesigning-cert"],
        "on an administrator's desk: muster cert show FILE; here: muster-agent trust list",
    ),
    (
        &["build-waptagent"],
        "installers of the agent are made with: make deb, make windows-installer",
    ),
    (&["info", "show-package"], "muster-agent show PACKAGE"),
    (&["status-package", "why"], "muster-agent explain PACKAGE"),
    (
        &["purge"],
        "muster-agent remove PACKAGE, or apt purge muster-agent for the agent itself",
    ),
    (
        &["start", "stop", "restart", "enable", "disable"],
        "systemctl does that (on Windows: sc); muster-agent service install sets the service up",
    ),
    (
        &["reload", "reload-config", "reload_config", "service-restart"],
        "muster-agent service reload",
    ),
    (&["doctor", "diagnose", "test", "ping"], "muster-agent check"),
];

/// Options of `wapt-get` that are not options here.
const OPTIONS: &[(&[&str], &str)] = &[
    (
        &["-c", "--config"],
        "an agent has one configuration, agent.toml; --root FOLDER works on an agent of its own below a folder",
    ),
    (
        &["-r", "--repo", "--wapt-repo-url"],
        "repositories stand in agent.toml: repo_url, and [repository.NAME] for further ones",
    ),
    (
        &["--wapt-server-url"],
        "muster-agent register --server 'muster://NAME#sha256=…' writes the server into agent.toml",
    ),
    (
        &["--wapt-server-user", "--wapt-server-passwd"],
        "muster-agent register --user NAME, with the password in the environment as MUSTER_PASSWORD",
    ),
    (
        &["--pin-server-cert"],
        "the address with #sha256=…, as `muster-server address` prints it, pins the certificate",
    ),
    (
        &["-l", "--loglevel"],
        "MUSTER_LOG=debug in the environment of the command, or of the service",
    ),
    (
        &["-L", "--language", "-e", "--encoding"],
        "there is nothing to choose: texts are English, in UTF-8",
    ),
    (
        &["--log-to-windows-events"],
        "there is nothing to choose: what matters is in the event log anyway",
    ),
    (
        &["-d", "--dry-run"],
        "muster-agent list-upgrade says what an upgrade would do, muster-agent explain PACKAGE what becomes of one",
    ),
    (
        &["-u", "--update-packages"],
        "run muster-agent update before; install and upgrade do so by themselves",
    ),
    (&["-v"], "muster-agent --version, or -V"),
    (
        &["-t", "--maxttl"],
        "script_timeout and script_idle_timeout in agent.toml end scripts that take too long",
    ),
    (
        &["--maturity", "--locales"],
        "maturities and locales stand in agent.toml",
    ),
    (
        &["-g", "--usergroups"],
        "groups are those that the system knows of the user",
    ),
    (
        &[
            "-k",
            "--certificate",
            "-w",
            "--private-key-passwd",
            "-x",
            "--excludes",
            "-i",
            "--inc-release",
        ],
        "packages are built and signed on an administrator's desk: muster package build --help",
    ),
    (
        &["-y", "--hide", "--use-gui"],
        "there is no window to show or hide: the windows for users are programs of their own",
    ),
    (
        &[
            "--notify_server_on_start",
            "--notify_server_on_finish",
            "--notify_user",
        ],
        "there is nothing to choose: the server hears of every task",
    ),
];

/// Advice about a command line that cannot be understood; nothing when there is none to give.
pub(super) fn advice(error: &clap::Error) -> Option<&'static str> {
    let (kind, table) = match error.kind() {
        ErrorKind::InvalidSubcommand => (ContextKind::InvalidSubcommand, COMMANDS),
        ErrorKind::UnknownArgument => (ContextKind::InvalidArg, OPTIONS),
        _ => return None,
    };
    let Some(ContextValue::String(word)) = error.get(kind) else {
        return None;
    };
    let word = word.split(['=', ' ']).next().unwrap_or_default();
    table
        .iter()
        .find(|(words, _advice)| words.contains(&word))
        .map(|(_words, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::super::Cli;
    use super::*;

    #[test]
    fn what_wapt_get_users_type_from_habit_is_answered_with_what_to_type_here() {
        for (line, wanted) in [
            (&["build-upload", "."][..], "muster package build"),
            (&["make-template", "x.exe"], "muster package new"),
            (&["edit-host", "pc-12"], "muster host edit"),
            (&["list", "-c", "x.ini"], "--root"),
            (&["-c", "x.ini", "list"], "--root"),
            (&["--config=x.ini", "list"], "--root"),
            (&["remove", "a", "-d"], "list-upgrade"),
            (&["register", "--pin-server-cert"], "pins"),
        ] {
            let error = Cli::try_parse_from([&["muster-agent"], line].concat()).unwrap_err();
            let said = advice(&error).unwrap_or_else(|| panic!("{line:?}: {error:?}"));
            assert!(said.contains(wanted), "{line:?}: {said}");
        }
        let error = Cli::try_parse_from(["muster-agent", "frobnicate"]).unwrap_err();
        assert_eq!(advice(&error), None);
    }

    #[test]
    fn no_word_is_answered_that_the_command_line_has() {
        let command = Cli::command();
        for (words, _advice) in COMMANDS {
            for word in *words {
                assert!(command.find_subcommand(word).is_none(), "{word} is a command");
            }
        }
    }
}
