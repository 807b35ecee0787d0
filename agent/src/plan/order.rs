//! The order of installations: what is more urgent comes first, what it depends on before it. Pure.

use std::collections::{BTreeSet, HashMap};

use muster_shared::control::Control;

use super::PlannedInstall;

/// The words of the `priority` attribute, most urgent first; anything else counts as `standard`.
const PRIORITIES: [&str; 5] = ["critical", "high", "important", "standard", "optional"];

/// How urgent a package is; lower is more urgent.
fn rank(control: &Control) -> usize {
    let priority = control.get("priority").trim().to_ascii_lowercase();
    PRIORITIES
        .iter()
        .position(|known| *known == priority)
        .unwrap_or(3)
}

/// Puts steps in order. They come with dependencies first; among those that may come next the most urgent does, and a
/// package is as urgent as the most urgent one that needs it. Packages that need each other stay as they came.
pub(super) fn by_priority(steps: Vec<PlannedInstall>) -> Vec<PlannedInstall> {
    let place: HashMap<&str, usize> = steps
        .iter()
        .enumerate()
        .map(|(place, step)| (step.package(), place))
        .collect();
    let needs: Vec<Vec<usize>> = steps
        .iter()
        .enumerate()
        .map(|(own, step)| {
            let places = step
                .needs
                .iter()
                .filter_map(|name| place.get(name.as_str()).copied());
            // In a circle somebody has to come first: as it came.
            places.filter(|needed| *needed < own).collect()
        })
        .collect();
    let mut ranks: Vec<usize> = steps.iter().map(|step| rank(&step.entry.control)).collect();
    // Dependencies come first, so one way back carries the urgency through.
    for own in (0..steps.len()).rev() {
        let urgency = ranks.get(own).copied().unwrap_or(usize::MAX);
        for needed in needs.get(own).into_iter().flatten() {
            if let Some(rank) = ranks.get_mut(*needed) {
                *rank = (*rank).min(urgency);
            }
        }
    }
    let mut waiting: BTreeSet<(usize, usize)> = ranks
        .iter()
        .copied()
        .enumerate()
        .map(|(own, rank)| (rank, own))
        .collect();
    let mut done = BTreeSet::new();
    let mut order = Vec::with_capacity(steps.len());
    while let Some(next) = waiting
        .iter()
        .find(|(_rank, own)| {
            needs
                .get(*own)
                .is_none_or(|needed| needed.iter().all(|one| done.contains(one)))
        })
        .copied()
    {
        waiting.remove(&next);
        done.insert(next.1);
        order.push(next.1);
    }
    let mut steps: Vec<Option<PlannedInstall>> = steps.into_iter().map(Some).collect();
    order
        .into_iter()
        .filter_map(|own| steps.get_mut(own).and_then(Option::take))
        .collect()
}

#[cfg(test)]
mod tests {
    use muster_shared::catalogue::Change as Kind;
    use muster_shared::control::Section;
    use muster_shared::index::IndexEntry;
    use proptest::prelude::*;

    use super::*;

    fn step(package: &str, priority: &str, needs: &[&str]) -> PlannedInstall {
        PlannedInstall {
            entry: IndexEntry {
                control: Control::new(package, "1", Section::Base).with("priority", priority),
                filename: format!("{package}_1.wapt"),
                size: 1,
                md5sum: "0".repeat(32),
                sha256sum: None,
                repository: String::new(),
            },
            from: None,
            kind: Kind::Install,
            reason: String::new(),
            is_asked_for: false,
            needs: needs.iter().map(|name| (*name).to_owned()).collect(),
            is_forced: false,
        }
    }

    fn ordered(steps: Vec<PlannedInstall>) -> Vec<String> {
        let ordered = by_priority(steps);
        ordered.iter().map(|step| step.package().to_owned()).collect()
    }

    #[test]
    fn what_is_critical_comes_first_with_what_it_needs() {
        let steps = vec![
            step("game", "optional", &[]),
            step("office", "standard", &[]),
            step("lib", "optional", &[]),
            step("shield", "critical", &["lib"]),
        ];
        assert_eq!(ordered(steps), ["lib", "shield", "office", "game"]);
    }

    #[test]
    fn what_is_equally_urgent_stays_in_its_order_and_so_does_a_circle() {
        let steps = vec![
            step("b", "optional", &["a"]),
            step("a", "optional", &["b"]),
            step("d", "whatever", &[]),
            step("c", "standard", &[]),
        ];
        assert_eq!(ordered(steps), ["d", "c", "b", "a"]);
    }

    proptest! {
        #[test]
        fn every_step_stays_once_and_after_what_it_needs(
            rows in prop::collection::vec((0..5_usize, prop::collection::vec(0..12_usize, 0..3)), 0..12),
        ) {
            let steps: Vec<PlannedInstall> = rows
                .iter()
                .enumerate()
                .map(|(own, (priority, needs))| {
                    let needs: Vec<String> = needs.iter().filter(|needed| **needed < own).map(|needed| format!("p{needed}")).collect();
                    let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
                    step(&format!("p{own}"), PRIORITIES[*priority], &needs)
                })
                .collect();
            let order = ordered(steps.clone());
            prop_assert_eq!(order.len(), steps.len());
            for step in &steps {
                let place = |name: &str| order.iter().position(|one| one == name);
                for needed in &step.needs {
                    prop_assert!(place(needed) < place(step.package()));
                }
            }
        }
    }
}
