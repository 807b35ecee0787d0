//! What is typed in practice, below the help of each command that does not bring its own.

/// Commands with their examples.
const EXAMPLES: &[(&str, &[&str])] = &[
    ("run", &["muster-agent run", "MUSTER_LOG=debug muster-agent run"]),
    (
        "service",
        &[
            "muster-agent service install",
            "muster-agent service reload       # after agent.toml was edited",
            "muster-agent service status",
        ],
    ),
    (
        "register",
        &[
            "muster-agent register --server 'muster://muster.example.org#sha256=…' --token TOKEN",
            "MUSTER_ENROL_TOKEN=… muster-agent register 'Reception, ground floor'",
            "MUSTER_PASSWORD=… muster-agent register --user ann",
        ],
    ),
    ("update", &["muster-agent update && muster-agent list-upgrade"]),
    (
        "list-upgrade",
        &[
            "muster-agent list-upgrade",
            "muster-agent list-upgrade --update --json",
        ],
    ),
    (
        "upgrade",
        &[
            "muster-agent upgrade",
            "muster-agent upgrade --only-if-not-running",
            "muster-agent upgrade --only-priorities critical,high",
        ],
    ),
    ("download-upgrade", &["muster-agent download-upgrade --update"]),
    (
        "install",
        &[
            "muster-agent install demo-hello",
            "muster-agent install 'demo-hello(=1.0-3)'",
            "muster-agent install ./demo-hello_1.0-3.wapt",
            "muster-agent install demo-hello --params '{\"company\": \"Example\"}'",
        ],
    ),
    (
        "remove",
        &[
            "muster-agent remove demo-hello",
            "muster-agent remove demo-hello --force",
        ],
    ),
    ("uninstall", &["muster-agent uninstall demo-hello"]),
    ("forget", &["muster-agent forget demo-hello"]),
    (
        "download",
        &["muster-agent download demo-hello 'demo-tools(>=2.0)'"],
    ),
    ("clean", &["muster-agent clean", "muster-agent clean --force"]),
    ("list", &["muster-agent list", "muster-agent list firefox --json"]),
    (
        "search",
        &[
            "muster-agent search firefox",
            "muster-agent search --upgradable",
            "muster-agent search --sections group,profile",
        ],
    ),
    ("list-registry", &["muster-agent list-registry 7-zip"]),
    (
        "show",
        &[
            "muster-agent show demo-hello",
            "muster-agent show 'demo-hello(<2)'",
        ],
    ),
    (
        "status",
        &[
            "muster-agent status",
            "muster-agent status --json | jq .connected",
        ],
    ),
    ("tasks", &["muster-agent tasks"]),
    ("cancel-all", &["muster-agent cancel-all"]),
    (
        "events",
        &["muster-agent events", "muster-agent events --json --from 1"],
    ),
    (
        "inventory",
        &[
            "muster-agent inventory | jq .host",
            "muster-agent inventory --send",
        ],
    ),
    ("update-status", &["muster-agent update-status"]),
    ("show-params", &["muster-agent show-params demo-hello"]),
    (
        "audit",
        &[
            "muster-agent audit",
            "muster-agent audit demo-hello",
            "muster-agent audit --force",
        ],
    ),
    (
        "session-setup",
        &[
            "muster-agent session-setup ALL          # of whoever types it",
            "muster-agent session-setup ALL --force",
            "muster-agent session-setup demo-hello --user ann",
        ],
    ),
    ("waptwua-scan", &["muster-agent waptwua-scan --force"]),
    ("waptwua-download", &["muster-agent waptwua-download"]),
    (
        "waptwua-install",
        &[
            "muster-agent waptwua-install",
            "muster-agent waptwua-install KB5030211",
        ],
    ),
    ("waptwua-status", &["muster-agent waptwua-status --all"]),
    (
        "propose-upgrade",
        &["muster-agent propose-upgrade --text 'Please upgrade before you leave'"],
    ),
    ("add-upgrade-shutdown", &["muster-agent add-upgrade-shutdown"]),
    (
        "remove-upgrade-shutdown",
        &["muster-agent remove-upgrade-shutdown"],
    ),
    (
        "generate-uuid",
        &[
            "muster-agent generate-uuid",
            "muster-agent generate-uuid pc-12.example.org",
        ],
    ),
    (
        "reset-uuid",
        &["muster-agent reset-uuid && muster-agent register --token TOKEN"],
    ),
    (
        "unregister",
        &["muster-agent unregister", "muster-agent unregister --force"],
    ),
    (
        "config",
        &[
            "muster-agent config show",
            "muster-agent config show maturities",
            "muster-agent config set waptupdate_task_period 30m",
            "muster-agent config unset waptupdate_task_period",
        ],
    ),
    ("check", &["muster-agent check", "muster-agent check --json"]),
    ("dnsdebug", &["muster-agent dnsdebug"]),
    ("trust", &["muster-agent trust list"]),
    (
        "migrate",
        &[
            "muster-agent migrate --dry-run        # what would be taken, what not, and why",
            "muster-agent migrate --disable-wapt",
            "muster-agent migrate --from /mnt/old/opt/wapt",
        ],
    ),
    (
        "self-upgrade",
        &[
            "muster-agent self-upgrade ./muster-agent_1.1.0_amd64.deb",
            "muster-agent self-upgrade --status",
        ],
    ),
    ("self-test", &["./muster-agent-of-tomorrow self-test"]),
    ("run-hook", &["muster-agent run-hook ./demo-hello install"]),
    ("get-server-certificate", &["muster-agent get-server-certificate"]),
    (
        "enable-check-certificate",
        &["muster-agent enable-check-certificate"],
    ),
];

/// The command line with the examples in it.
pub(super) fn added(mut command: clap::Command) -> clap::Command {
    for (name, lines) in EXAMPLES {
        command = command.mut_subcommand(name, |sub| {
            if sub.get_after_help().is_some() {
                return sub;
            }
            let word = if lines.len() == 1 { "Example" } else { "Examples" };
            sub.after_help(format!("{word}:\n  {}", lines.join("\n  ")))
        });
    }
    command
}

#[cfg(test)]
mod tests {
    use super::super::command;

    #[test]
    fn the_help_of_every_command_has_an_example_and_is_98_columns_wide() {
        let mut command = command();
        command.build();
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            let name = sub.get_name();
            if name == "help" {
                continue;
            }
            let help = sub.clone().render_long_help().to_string();
            assert!(help.contains("\nExample"), "{name}: {help}");
            for line in help.lines() {
                assert!(line.chars().count() <= 98, "{name}: {line}");
            }
        }
    }
}
