//! Logs go to standard error: what systemd, containers and terminals expect.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Starts logging. `MUSTER_LOG=debug` and the like change what is written; `MUSTER_LOG_FORMAT=json` the form.
pub(super) fn start() {
    let filter = EnvFilter::try_from_env("MUSTER_LOG").unwrap_or_else(|_absent| EnvFilter::new("info"));
    // Its lines about workers and threads tell an operator nothing.
    let filter = match "actix_server=warn".parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_never) => filter,
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = if std::env::var("MUSTER_LOG_FORMAT").is_ok_and(|format| format == "json") {
        builder.json().try_init()
    } else {
        builder
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
            .try_init()
    };
    // A second start, as in tests, keeps the first.
    started.ok();
}
