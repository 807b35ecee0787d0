//! The prefix of package names, exchanged for one's own (wapt-reference.md A.13): the text before the first
//! dash; names without a dash stay.

use muster_shared::control::{Control, Section};

/// A name under another prefix.
pub fn with_prefix(name: &str, prefix: &str) -> String {
    match name.split_once('-') {
        Some((former, rest)) if !former.is_empty() && !rest.is_empty() => format!("{prefix}-{rest}"),
        _ => name.to_owned(),
    }
}

/// A list of requests with every name under another prefix; conditions and blanks stay as they are.
pub fn list_with_prefix(list: &str, prefix: &str) -> String {
    let requests = list.split(',').map(|request| {
        let blanks = request.len() - request.trim_start().len();
        let (blank, request) = request.split_at(blanks);
        // A dash may also stand in the version of the condition.
        let end = request.find('(').unwrap_or(request.len());
        let (name, condition) = request.split_at(end);
        format!("{blank}{}{condition}", with_prefix(name, prefix))
    });
    requests.collect::<Vec<_>>().join(",")
}

/// The package name that a control has under another prefix. Packages of hosts, units and profiles are named
/// after machines and groups, not by custom.
pub fn package_with_prefix(control: &Control, prefix: Option<&str>) -> String {
    match (control.section_kind(), prefix) {
        (Ok(Section::Host | Section::Unit | Section::Profile), _) | (_, None) => control.package().to_owned(),
        (_, Some(prefix)) => with_prefix(control.package(), prefix),
    }
}

/// Exchanges the prefix in the name, in what it depends on and in what it conflicts with.
pub fn exchange(control: &mut Control, prefix: &str) {
    let package = package_with_prefix(control, Some(prefix));
    control.set("package", &package);
    for list in ["depends", "conflicts"] {
        let changed = list_with_prefix(control.get(list), prefix);
        if changed != control.get(list) {
            control.set(list, &changed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_before_the_first_dash_is_exchanged() {
        assert_eq!(with_prefix("tis-firefox-esr", "acme"), "acme-firefox-esr");
        assert_eq!(with_prefix("firefox", "acme"), "firefox");
        assert_eq!(with_prefix("-x", "acme"), "-x");
        assert_eq!(with_prefix("x-", "acme"), "x-");
    }

    #[test]
    fn conditions_keep_their_dashes() {
        assert_eq!(
            list_with_prefix("tis-a(>=1.0-2), vlc(=1-2),tis-b", "acme"),
            "acme-a(>=1.0-2), vlc(=1-2),acme-b"
        );
        assert_eq!(list_with_prefix("", "acme"), "");
    }

    #[test]
    fn units_and_hosts_keep_their_names() {
        let mut control = Control::new("OU=a-b_DC=lan", "1", Section::Unit).with("depends", "tis-a");
        exchange(&mut control, "acme");
        assert_eq!(control.package(), "OU=a-b_DC=lan");
        assert_eq!(control.depends(), "acme-a");
    }
}
