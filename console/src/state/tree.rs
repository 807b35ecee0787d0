//! The tree at the left of the hosts: counts by status and reachability, organisational units, groups.

use std::collections::{BTreeMap, HashMap};

use muster_shared::protocol::host::{HostRow, HostStatus};

/// What the tree shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    /// In the order of [`HostStatus::ALL`].
    pub by_status: [u64; 4],
    pub connected: u64,
    pub away: u64,
    /// Roots of the organisation.
    pub units: Vec<Unit>,
    /// Name and number of hosts, by name.
    pub groups: Vec<(String, u64)>,
}

/// One organisational unit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Unit {
    /// As it is shown.
    pub name: String,
    /// Its distinguished name.
    pub dn: String,
    /// Hosts in it and below it.
    pub count: u64,
    pub children: Vec<Unit>,
}

impl Counts {
    /// Counts a fleet.
    pub fn of(rows: &[HostRow]) -> Self {
        let mut counts = Self::default();
        let mut units: HashMap<&str, u64> = HashMap::new();
        let mut groups: BTreeMap<&str, u64> = BTreeMap::new();
        for row in rows {
            if let Some(count) = counts.by_status.get_mut(place_of(row.status)) {
                *count += 1;
            }
            if row.reachable {
                counts.connected += 1;
            } else {
                counts.away += 1;
            }
            if !row.ou.is_empty() {
                *units.entry(&row.ou).or_default() += 1;
            }
            for group in &row.groups {
                *groups.entry(group).or_default() += 1;
            }
        }
        counts.groups = groups
            .into_iter()
            .map(|(name, count)| (name.to_owned(), count))
            .collect();
        counts.units = unit_tree(units);
        counts
    }

    /// How many hosts are in a state.
    pub fn status(&self, status: HostStatus) -> u64 {
        self.by_status.get(place_of(status)).copied().unwrap_or_default()
    }
}

fn place_of(status: HostStatus) -> usize {
    HostStatus::ALL
        .iter()
        .position(|one| *one == status)
        .unwrap_or_default()
}

#[derive(Default)]
struct Node {
    count: u64,
    children: BTreeMap<String, Node>,
}

fn unit_tree(units: HashMap<&str, u64>) -> Vec<Unit> {
    let mut root = Node::default();
    let mut sorted: Vec<_> = units.into_iter().collect();
    sorted.sort_unstable();
    for (dn, count) in sorted {
        let mut node = &mut root;
        for step in steps(dn) {
            node = node.children.entry(step).or_default();
            node.count += count;
        }
    }
    into_units(root, "")
}

fn into_units(node: Node, parent: &str) -> Vec<Unit> {
    node.children
        .into_iter()
        .map(|(step, child)| {
            let dn = if parent.is_empty() {
                step.clone()
            } else {
                format!("{step},{parent}")
            };
            Unit {
                name: shown_name(&step),
                count: child.count,
                children: into_units(child, &dn),
                dn,
            }
        })
        .collect()
}

/// The steps of a distinguished name from the root down; the domain's parts are one step.
fn steps(dn: &str) -> Vec<String> {
    let parts: Vec<&str> = dn
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    let is_domain = |part: &&&str| part.get(..3).is_some_and(|head| head.eq_ignore_ascii_case("dc="));
    let domain_len = parts.iter().rev().take_while(is_domain).count();
    let (units, domain) = parts.split_at(parts.len() - domain_len);
    let mut steps = Vec::new();
    if !domain.is_empty() {
        steps.push(domain.join(","));
    }
    steps.extend(units.iter().rev().map(|unit| (*unit).to_owned()));
    steps
}

fn shown_name(step: &str) -> String {
    let value = |part: &str| part.split_once('=').map_or(part, |(_, value)| value).to_owned();
    step.split(',').map(value).collect::<Vec<_>>().join(".")
}

/// A host with this distinguished name is in the unit or below it.
pub fn in_unit(ou: &str, unit: &str) -> bool {
    let Some(start) = ou.len().checked_sub(unit.len()) else {
        return false;
    };
    let Some(end) = ou.get(start..) else { return false };
    end.eq_ignore_ascii_case(unit) && (start == 0 || ou.get(..start).is_some_and(|head| head.ends_with(',')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_nest_below_their_domain_and_count_what_is_below() {
        let units = unit_tree(HashMap::from([
            ("OU=Accounting,OU=Paris,DC=corp,DC=example", 3),
            ("OU=Paris,DC=corp,DC=example", 2),
            ("OU=Lyon,DC=corp,DC=example", 1),
        ]));
        assert_eq!(units.len(), 1);
        let root = &units[0];
        assert_eq!((root.name.as_str(), root.count), ("corp.example", 6));
        let names: Vec<_> = root
            .children
            .iter()
            .map(|unit| (unit.name.as_str(), unit.count))
            .collect();
        assert_eq!(names, [("Lyon", 1), ("Paris", 5)]);
        assert_eq!(
            root.children[1].children[0].dn,
            "OU=Accounting,OU=Paris,DC=corp,DC=example"
        );
    }

    #[test]
    fn a_host_is_in_its_unit_and_in_those_above_but_not_in_one_whose_name_ends_alike() {
        let ou = "OU=Accounting,OU=Paris,DC=corp,DC=example";
        assert!(in_unit(ou, ou));
        assert!(in_unit(ou, "OU=Paris,DC=corp,DC=example"));
        assert!(in_unit(ou, "dc=corp,dc=example"));
        assert!(!in_unit("OU=NewParis,DC=corp", "Paris,DC=corp"));
        assert!(!in_unit("OU=Paris,DC=corp", ou));
    }
}
