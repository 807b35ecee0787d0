//! Why a package is offered to this machine or not, and what an upgrade does with it, in sentences.

use muster_shared::catalogue::{Installed as Present, Wanted, Why, explain};
use muster_shared::control::{Control, Section};
use muster_shared::request::Request;

use super::{Inputs, named, wants_retry};

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
    let forbidding = inputs.host.map(Control::conflicts_list).unwrap_or_default();
    let assigned = inputs.host.map(Control::depends_list).unwrap_or_default();
    let by = inputs.host.map(named).unwrap_or_default();
    let mut sentences = explain::assignment(package, &assigned, &forbidding, &by);
    let catalogue = inputs.catalogue();
    let rows = inputs
        .installed
        .iter()
        .filter(|row| !row.control.is_section(Section::Host));
    let present: Vec<Present> = rows
        .clone()
        .filter(|row| row.in_place)
        .map(|row| {
            Present::new(row.package(), row.control.version()).with_depends(row.control.depends_list())
        })
        .collect();
    let mut wanted: Vec<Wanted> = assigned
        .into_iter()
        .map(|request| Wanted {
            request,
            why: Why::Assigned,
        })
        .collect();
    let is_allowed = |name: &str, version: &str| {
        let mut forbidding = forbidding.iter();
        !forbidding.any(|request| request.matches(name, version))
    };
    for row in rows {
        let request = Request::any(row.package());
        if !is_allowed(row.package(), row.control.version()) {
            continue;
        }
        if wants_retry(row) {
            if row.package() == package {
                sentences.push(format!(
                    "the last try of {package} {} failed; an upgrade tries it again while somebody wants it",
                    row.control.version()
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
    let is_here = inputs.installed.iter().any(|row| row.package() == package);
    sentences.extend(explain::why(&catalogue, package, &present, &wanted));
    Explained {
        sentences,
        is_nowhere: !is_here && !catalogue.lists(package),
    }
}

#[cfg(test)]
mod tests {
    use muster_shared::catalogue::Capabilities;
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
        };
        let installed = [row("app", "1")];
        let explain = |package: &str| {
            let inputs = Inputs {
                installed: &installed,
                host: Some(&host),
                entries: vec![entry("1"), entry("2")],
                refused: Vec::new(),
                capabilities: &Capabilities::default(),
                wish: &Wish::Upgrade,
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
