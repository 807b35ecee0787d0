//! The machine's name on Linux.

use super::facts::text::read_limited;

/// The host name as the kernel has it, `localhost` when it has none.
pub fn hostname() -> String {
    let uname = rustix::system::uname();
    let name = uname.nodename().to_string_lossy().trim().to_owned();
    if name.is_empty() {
        "localhost".to_owned()
    } else {
        name
    }
}

/// The fully qualified name: the host name when it has a dot already, else from `/etc/hosts`, else the
/// host name with the search domain of `resolv.conf`, else the bare host name.
pub fn fqdn() -> String {
    let hostname = hostname();
    let hosts = read_limited("/etc/hosts").unwrap_or_default();
    let resolv = read_limited("/etc/resolv.conf").unwrap_or_default();
    qualify(&hostname, &hosts, &resolv)
}

fn qualify(hostname: &str, hosts: &str, resolv: &str) -> String {
    if hostname.contains('.') {
        return hostname.to_owned();
    }
    let own_dotted = |line: &str| {
        let line = line.split('#').next().unwrap_or_default();
        let names: Vec<&str> = line.split_whitespace().skip(1).collect();
        names
            .iter()
            .any(|name| name.eq_ignore_ascii_case(hostname))
            .then(|| {
                names
                    .iter()
                    .find(|name| {
                        name.get(..hostname.len())
                            .is_some_and(|start| start.eq_ignore_ascii_case(hostname))
                            && name
                                .get(hostname.len()..)
                                .is_some_and(|rest| rest.starts_with('.'))
                    })
                    .map(|name| (*name).to_owned())
            })
            .flatten()
    };
    if let Some(name) = hosts.lines().find_map(own_dotted) {
        return name;
    }
    // The last `domain` or `search` line wins, as for the resolver itself.
    let domain = resolv
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("domain" | "search") => words.next(),
                _ => None,
            }
        })
        .next_back()
        .map(|domain| domain.trim_matches('.'))
        .filter(|domain| !domain.is_empty());
    match domain {
        Some(domain) => format!("{hostname}.{domain}"),
        None => hostname.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_file_is_preferred_to_the_search_domain() {
        let hosts = "127.0.0.1 localhost\n127.0.1.1 pc12.example.org pc12 # own\n";
        assert_eq!(qualify("pc12", hosts, "search other.org"), "pc12.example.org");
    }

    #[test]
    fn the_search_domain_completes_a_bare_name() {
        assert_eq!(
            qualify(
                "pc12",
                "127.0.0.1 localhost pc12",
                "nameserver 1.1.1.1\nsearch a.org b.org\n"
            ),
            "pc12.a.org"
        );
        assert_eq!(qualify("pc12", "", "search .\n"), "pc12");
        assert_eq!(
            qualify("pc12.example.org", "", "search a.org"),
            "pc12.example.org"
        );
    }

    #[test]
    fn this_machine_has_a_name() {
        assert!(!hostname().is_empty());
        assert!(fqdn().starts_with(&hostname()));
    }
}
