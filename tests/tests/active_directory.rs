//! What a domain of Active Directory's kind says of a computer: its unit, and its groups through groups, which the
//! directory follows by itself (`LDAP_MATCHING_RULE_IN_CHAIN`). A real domain controller of Samba, asked over TLS.
#![cfg(unix)]

use muster_tests::{DOMAIN, Domain, World, in_own_network};
use serde_json::Value;

/// A computer in a unit below a unit; a group that it is in, one that has that group, and so on in a circle; and one
/// that it is not in.
fn entries() -> String {
    let group = |name: &str, members: &[&str]| {
        let mut entry = format!(
            "dn: CN={name},CN=Users,{DOMAIN}\nobjectClass: group\ncn: {name}\nsAMAccountName: {name}\n"
        );
        for member in members {
            entry.extend(["member: ", member, ",", DOMAIN, "\n"]);
        }
        entry + "\n"
    };
    let pc = "CN=pc-1,OU=Sales West,OU=Europe";
    [
        format!("dn: OU=Europe,{DOMAIN}\nobjectClass: organizationalUnit\nou: Europe\n\n"),
        format!("dn: OU=Sales West,OU=Europe,{DOMAIN}\nobjectClass: organizationalUnit\nou: Sales West\n\n"),
        format!(
            "dn: {pc},{DOMAIN}\nobjectClass: computer\ncn: pc-1\nsAMAccountName: PC-1$\nuserAccountControl: 4096\n\n"
        ),
        group("kiosks", &[pc]),
        group("public places", &["CN=kiosks,CN=Users"]),
        group("everybody", &["CN=public places,CN=Users"]),
        group("laboratory", &[]),
        format!(
            "dn: CN=public places,CN=Users,{DOMAIN}\nchangetype: modify\nadd: member\nmember: CN=everybody,CN=Users,{DOMAIN}\n\n"
        ),
    ]
    .concat()
}

#[test]
fn groups_through_groups_of_a_domain_and_its_units_assign_packages() {
    if !in_own_network("groups_through_groups_of_a_domain_and_its_units_assign_packages") {
        return;
    }
    let world = World::start();
    let domain = Domain::start(world.folder(), &entries());
    let agent = world.enrol("pc-1");
    agent.configure(&format!("{}\nuse_ad_groups = true", domain.configuration()));
    for profile in ["everybody", "laboratory"] {
        world.publish(&world.sources(profile, "1").with("section", "profile"));
    }
    agent.run(&["update"]).ok();
    let directory = agent.json(&["status"])["directory"].clone();
    let groups: Vec<&str> = directory["groups"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(groups, ["everybody", "kiosks", "public places"], "{directory}");
    assert_eq!(
        directory["dn"].as_str(),
        Some(format!("CN=pc-1,OU=Sales West,OU=Europe,{DOMAIN}").as_str())
    );
    let sections = |name: &str| agent.package(name).map(|row| row["section"].clone());
    assert_eq!(sections("everybody"), Some("profile".into()));
    assert_eq!(sections("laboratory"), None);

    // It leaves the innermost group: all of them are gone, and what they assigned.
    domain.add(&format!(
        "dn: CN=kiosks,CN=Users,{DOMAIN}\nchangetype: modify\ndelete: member\n\
         member: CN=pc-1,OU=Sales West,OU=Europe,{DOMAIN}\n\n"
    ));
    agent.run(&["update"]).ok();
    let directory = agent.json(&["status"])["directory"].clone();
    assert!(
        directory["groups"].as_array().is_none_or(Vec::is_empty),
        "{directory}"
    );
    assert_eq!(sections("everybody"), None);
}
