//! What ordinary users see of answers and events: their own tasks as they are, of everything else that it happens.
//!
//! What scripts write may hold keys and passwords, so their lines go to administrators, and to the person who asked
//! for the very package.

use muster_shared::protocol::local::LocalEvent;
use muster_shared::protocol::task::Task;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::desk::is_own;
use super::person::Person;

/// The fields of the status that are for everybody's eyes.
const STATUS: [&str; 7] = [
    "version",
    "service",
    "identifier",
    "connected",
    "waiting",
    "updated_at",
    "next_update_at",
];

/// The status as ordinary users get it; `pending` counts what they see of it.
pub(super) fn status(full: Value, pending: usize) -> Value {
    let mut reduced = serde_json::Map::new();
    for field in STATUS {
        if let Some(value) = full.get(field) {
            reduced.insert(field.to_owned(), value.clone());
        }
    }
    reduced.insert("busy".to_owned(), json!(!full["running"].is_null()));
    reduced.insert("pending".to_owned(), json!(pending));
    Value::Object(reduced)
}

/// Tasks as a user gets them.
pub(super) fn tasks(full: Value, person: &Person) -> Value {
    let tasks: Vec<Task> = serde_json::from_value(full).unwrap_or_default();
    json!(
        tasks
            .into_iter()
            .map(|task_of| task(task_of, person))
            .collect::<Vec<_>>()
    )
}

/// A task as a user gets it: others' tasks without packages and words.
pub(super) fn task(task: Task, person: &Person) -> Task {
    if is_own(person, &task.ordered_by, task.batch.is_some()) {
        return task;
    }
    Task {
        packages: Vec::new(),
        text: String::new(),
        ..task
    }
}

/// An event as a user gets it; `ordered_by` is who ordered the task that it is about.
pub(super) fn event(
    event: LocalEvent,
    ordered_by: Option<&str>,
    packages: &[String],
    person: &Person,
) -> LocalEvent {
    match event {
        LocalEvent::Task { task: full } => LocalEvent::Task {
            task: Box::new(task(*full, person)),
        },
        LocalEvent::Progress { task, percent, text } => {
            let is_own = ordered_by.is_some_and(|by| is_own(person, by, false));
            LocalEvent::Progress {
                task,
                percent,
                text: if is_own {
                    said(&text, packages)
                } else {
                    String::new()
                },
            }
        }
        other => other,
    }
}

/// Progress without the lines of scripts of packages that were not asked for by name. Those lines begin with the
/// package's name and a colon.
fn said(text: &str, packages: &[String]) -> String {
    match text.split_once(": ") {
        Some((package, _line)) if is_name(package) && !packages.iter().any(|asked| asked == package) => {
            package.to_owned()
        }
        _ => text.to_owned(),
    }
}

fn is_name(text: &str) -> bool {
    text.parse::<muster_shared::name::PackageName>().is_ok()
}

/// Passes the lines of a user's own task on.
pub(super) async fn pass_on(
    mut lines: mpsc::Receiver<LocalEvent>,
    reply: mpsc::Sender<LocalEvent>,
    packages: Vec<String>,
) {
    loop {
        let line = tokio::select! {
            line = lines.recv() => line,
            () = reply.closed() => return,
        };
        let line = match line {
            None => return,
            Some(LocalEvent::Progress { task, percent, text }) => LocalEvent::Progress {
                task,
                percent,
                text: said(&text, &packages),
            },
            Some(line) => line,
        };
        if reply.send(line).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::person::Standing;
    use super::*;

    fn ann() -> Person {
        Person {
            name: "ann".to_owned(),
            identities: vec!["ann".to_owned()],
            groups: Vec::new(),
            standing: Standing::User,
        }
    }

    fn progress(text: &str) -> LocalEvent {
        LocalEvent::Progress {
            task: uuid::Uuid::nil(),
            percent: Some(5),
            text: text.to_owned(),
        }
    }

    fn text_of(event: LocalEvent) -> String {
        match event {
            LocalEvent::Progress { text, percent, .. } => {
                assert_eq!(percent, Some(5));
                text
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lines_of_scripts_are_for_who_asked_for_that_package() {
        let asked = ["demo-a".to_owned()];
        let seen = |text, by| text_of(event(progress(text), Some(by), &asked, &ann()));
        assert_eq!(seen("demo-a: unpacking files", "ann"), "demo-a: unpacking files");
        assert_eq!(seen("demo-b: password is hunter2", "ann"), "demo-b");
        assert_eq!(seen("downloading demo-b", "ann"), "downloading demo-b");
        assert_eq!(seen("downloading demo-b", "bob"), "");
    }

    #[test]
    fn of_tasks_of_others_a_user_sees_that_they_are() {
        let own = Task {
            id: uuid::Uuid::nil(),
            kind: "install".to_owned(),
            packages: vec!["secret".to_owned()],
            state: muster_shared::protocol::task::TaskState::Running,
            batch: None,
            ordered_by: "ann".to_owned(),
            created_at: jiff::Timestamp::UNIX_EPOCH,
            started_at: None,
            finished_at: None,
            percent: Some(3),
            text: "installing secret".to_owned(),
        };
        assert_eq!(task(own.clone(), &ann()), own);
        // A signer of the same name is somebody else.
        let signed = Task {
            batch: Some(uuid::Uuid::nil()),
            ..own
        };
        let seen = task(signed, &ann());
        assert!(seen.packages.is_empty() && seen.text.is_empty() && seen.percent == Some(3));
    }

    #[test]
    fn the_status_of_users_has_nothing_of_server_and_keys() {
        let full = json!({"version": "1", "service": "running", "keyid": "ab", "server": "https://x", "running": "installing y", "notice": "z"});
        let seen = status(full, 2);
        assert_eq!(
            seen,
            json!({"version": "1", "service": "running", "busy": true, "pending": 2})
        );
    }
}
