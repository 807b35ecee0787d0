//! Why a package is offered to this machine or not, and what an upgrade does with it, in sentences.

use muster_shared::catalogue::explain::implicit_package;
use muster_shared::catalogue::{Installed as Present, Wanted, Why, explain};
use muster_shared::control::Control;
use muster_shared::request::Request;

use super::implicit::is_implicit;
use super::{Inputs, is_left_alone, retry, said_step, said_time, wants_retry};

/// What there is to say about a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// Without a full stop, of what an upgrade would do.
    pub sentences: Vec<String>,
    /// Neither this machine nor the repository has a package of that name.
    pub is_nowhere: bool,
}

/// Everything there is to say about a package here.
pub fn explained(mut inputs: Inputs<'_>, package: &str) -> Explained {
    let forbidding = inputs.requests(Control::conflicts_list);
    let assigned = inputs.requests(Control::depends_list);
    let mut sentences: Vec<String> = inputs
        .implicit
        .iter()
        .flat_map(|by| {
            let (depends, conflicts) = (by.depends_list(), by.conflicts_list());
            explain::assignment(package, &depends, &conflicts, &implicit_package(by))
        })
        .collect();
    let catalogue = inputs.catalogue();
    let rows = inputs.installed.iter().filter(|row| !is_implicit(&row.control));
    let present: Vec<Present> = rows
        .clone()
        .filter(|row| row.in_place)
        .map(|row| {
            Present::new(row.package(), row.control.version()).with_depends(row.control.depends_list())
        })
        .collect();
    let mut wanted: Vec<Wanted> = assigned
        .into_iter()
        .map(|(request, _by)| Wanted {
            request,
            why: Why::Assigned,
        })
        .collect();
    let is_allowed = |name: &str, version: &str| {
        let mut forbidding = forbidding.iter();
        !forbidding.any(|(request, _by)| request.matches(name, version))
    };
    for row in rows {
        let request = Request::any(row.package());
        if !is_allowed(row.package(), row.control.version()) {
            continue;
        }
        if wants_retry(row) {
            if row.package() == package && !is_left_alone(row) {
                sentences.push(format!(
                    "the last try of {package} {} failed ({}); an upgrade tries it again while somebody wants it",
                    row.control.version(),
                    said_step(&row.failed_step)
                ));
            }
            wanted.push(Wanted {
                request,
                why: Why::Retry,
            });
        } else if row.in_place && catalogue.newest(row.package()).is_some() {
            wanted.push(Wanted {
                request,
                why: Why::Upgrade,
            });
        }
    }
    sentences.extend(waiting(&inputs, package));
    let is_here = inputs.installed.iter().any(|row| row.package() == package);
    sentences.extend(explain::why(&catalogue, package, &present, &wanted));
    Explained {
        sentences,
        is_nowhere: !is_here && !catalogue.lists(package),
    }
}

/// What keeps a package waiting.
fn waiting(inputs: &Inputs<'_>, package: &str) -> Vec<String> {
    let Some(attempt) = inputs.attempts.get(package) else {
        return Vec::new();
    };
    let mut sentences = Vec::new();
    let version = &attempt.version;
    if attempt.tries > 0 {
        let tries = match attempt.tries {
            1 => "once".to_owned(),
            count => format!("{count} times in a row"),
        };
        let next = match retry::due(Some(attempt), version, inputs.capabilities.now) {
            Some(due) => format!(
                "the schedule tries it again from {} on, an upgrade that somebody orders at once",
                said_time(due, inputs)
            ),
            None => "the next upgrade tries it again".to_owned(),
        };
        sentences.push(format!("{package} {version} failed {tries}: {next}"));
    }
    if !attempt.postponed.is_empty() {
        sentences.push(format!(
            "{package} {version} was left alone at {}: {}",
            said_time(attempt.last_at, inputs),
            attempt.postponed
        ));
    }
    sentences
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use muster_shared::catalogue::Capabilities;
    use muster_shared::control::Section;
    use muster_shared::index::IndexEntry;

    use super::*;
    use crate::plan::Wish;
    use crate::state::packages::tests::row;

    #[test]
    fn a_pin_of_the_hosts_package_is_named() {
        let host = Control::new("host-1", "3", Section::Host)
            .with("depends", "app(=1)")
            .with("conflicts", "old");
        let entry = |version: &str| IndexEntry {
            control: Control::new("app", version, Section::Base),
            filename: format!("app_{version}.wapt"),
            size: 1,
            md5sum: "0".repeat(32),
            sha256sum: None,
            repository: String::new(),
        };
        let installed = [row("app", "1")];
        let explain = |package: &str| {
            let inputs = Inputs {
                installed: &installed,
                implicit: vec![&host],
                entries: vec![entry("1"), entry("2")],
                refused: Vec::new(),
                capabilities: &Capabilities::default(),
                wish: &Wish::Upgrade,
                attempts: &BTreeMap::new(),
            };
            explained(inputs, package).sentences
        };
        let app = explain("app");
        assert_eq!(
            app[0],
            "app is assigned to this host: the depends of the host's package host-1 3 name app(=1)"
        );
        assert!(
            app.iter()
                .any(|text| text.starts_with("app 1 is kept") && text.contains("app(=1)")),
            "{app:?}"
        );
        assert!(explain("old")[0].contains("is forbidden on this host"));
    }
}
