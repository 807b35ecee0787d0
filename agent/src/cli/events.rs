//! `muster-agent events`: what happens, as it happens.

use muster_shared::protocol::local::{LocalEvent, LocalRequest};

use super::{Common, Done, reach};
use crate::local_api::client::LocalClient;
use crate::output::Output;

/// Show what this agent does, as it happens, until Ctrl-C.
///
/// Begins with the messages that still count for the people of this machine. With --json, one line of JSON for each
/// event; a number that is missing was lost because nobody read.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Begin after the event of this number, as far as it is remembered.
    #[arg(long, value_name = "NUMBER")]
    from: Option<u64>,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    let output = common.output();
    let client = LocalClient::connect(&common.paths().socket())
        .await?
        .ok_or_else(|| reach::not_running(common))?;
    let request = LocalRequest::Follow {
        from: arguments.from,
        task: None,
    };
    let follow = client.follow(&request, |event| {
        if output.is_json() {
            Output::json_line(&event);
        } else if let Some(line) = text(&event) {
            output.line(line);
        }
    });
    tokio::select! {
        ended = follow => ended.map(|_value| None),
        _interrupted = tokio::signal::ctrl_c() => Ok(None),
    }
}

fn text(event: &LocalEvent) -> Option<String> {
    match event {
        LocalEvent::Noticed { event, .. } => text(event),
        LocalEvent::Progress { percent, text, .. } => {
            let percent = percent
                .map(|percent| format!("{percent:>3}% "))
                .unwrap_or_default();
            Some(format!("{percent}{text}")).filter(|line| !line.is_empty())
        }
        LocalEvent::Task { task } => Some(
            format!(
                "{} {} {}: {}",
                task.state.as_str(),
                task.kind,
                task.packages.join(", "),
                task.text
            )
            .trim_end_matches([' ', ':'])
            .to_owned(),
        ),
        LocalEvent::Message { message } => Some(
            format!(
                "message from {}: {} {}",
                message.sent_by, message.title, message.text
            )
            .trim_end()
            .to_owned(),
        ),
        LocalEvent::Changed { pending } => Some(format!("{pending} pending")),
        LocalEvent::Answer { .. } | LocalEvent::Error { .. } => None,
    }
}
