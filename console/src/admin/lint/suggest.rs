//! "Did you mean": the known name that is most like a misspelt one.

/// The candidate that is nearest to a word, when it is near enough to be meant.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    // One slip in four letters; short words must be nearly right.
    let allowed = match length {
        0..=2 => return None,
        3..=4 => 1,
        5..=9 => 2,
        _ => 3,
    };
    candidates
        .into_iter()
        .filter(|candidate| *candidate != word && candidate.chars().count().abs_diff(length) <= allowed)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, candidate)| (*distance, candidate.len(), *candidate))
        .map(|(_, candidate)| candidate)
}

/// Up to five known names like one that is not there: nearly the same, or with the same software name after
/// another prefix.
pub fn near<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let software = name.split_once('-').map_or(name, |(_prefix, rest)| rest);
    let allowed = match name.chars().count() {
        0..=4 => 1,
        5..=9 => 2,
        _ => 3,
    };
    let mut found: Vec<(usize, &str)> = known
        .into_iter()
        .filter(|one| *one != name)
        .filter_map(|one| {
            let is_near_length = one.chars().count().abs_diff(name.chars().count()) <= allowed;
            let slips = if is_near_length {
                distance(name, one)
            } else {
                usize::MAX
            };
            let is_same_software = software.len() > 1 && one.contains(software);
            (slips <= allowed || is_same_software).then_some((slips, one))
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().take(5).map(|(_slips, one)| one).collect()
}

/// Edits between two words: letters added, left out, changed, or two neighbours swapped; case counts for
/// nothing but makes two words differ.
pub(super) fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let width = b.len() + 1;
    let mut rows: Vec<Vec<usize>> = vec![(0..width).collect()];
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let at = |up: usize, column: usize| {
                rows.get(i + 1 - up)
                    .and_then(|row: &Vec<usize>| row.get(column))
                    .copied()
                    .unwrap_or(usize::MAX - 1)
            };
            let left = row.get(j).copied().unwrap_or_default();
            let mut best = (at(1, j + 1) + 1)
                .min(left + 1)
                .min(at(1, j) + usize::from(from != to));
            let is_swap = i > 0 && j > 0 && a.get(i - 1) == Some(to) && b.get(j - 1) == Some(from);
            if is_swap {
                best = best.min(at(2, j - 1) + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows.last()
        .and_then(|row| row.last())
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_hand_is_recognised_and_another_word_is_not() {
        let names = [
            "install_msi_if_needed",
            "install_exe_if_needed",
            "makepath",
            "isfile",
            "run",
        ];
        let nearest = |word| nearest(word, names);
        assert_eq!(nearest("instal_msi_if_needed"), Some("install_msi_if_needed"));
        assert_eq!(nearest("makepaht"), Some("makepath"));
        assert_eq!(nearest("isFile"), Some("isfile"));
        assert_eq!(nearest("rnu"), Some("run"));
        assert_eq!(nearest("something_else"), None);
        assert_eq!(nearest("r"), None);
    }

    #[test]
    fn packages_of_another_prefix_are_near_too() {
        let known = ["tis-firefox-esr", "demo-folder", "other"];
        assert_eq!(near("demo-foler", known), ["demo-folder"]);
        assert_eq!(near("acme-firefox", known), ["tis-firefox-esr"]);
        assert!(near("nothing", known).is_empty());
    }

    #[test]
    fn edits_are_counted() {
        assert_eq!(distance("unistall", "uninstall"), 1);
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
