//! Who may what, as a table.

use super::*;
use crate::state::packages::tests::row;

fn person(standing: Standing) -> Person {
    Person {
        name: "ann".to_owned(),
        identities: vec!["ann".to_owned(), "accounting".to_owned()],
        groups: vec!["accounting".to_owned()],
        standing,
    }
}

struct Here {
    policy: People,
    rules: SelfServiceRules,
    installed: Vec<Installed>,
    pending: Vec<PendingPackage>,
}

impl Here {
    /// `offered` may be had by ann's group, `here` is installed with `above` that needs it, `due` is pending.
    fn new() -> Self {
        let mut above = row("above", "1");
        above.control.set("depends", "here");
        let mut private = row("private", "1");
        private.control.set("section", "restricted");
        Self {
            policy: People::default(),
            rules: SelfServiceRules::parse(br#"{"Accounting": ["offered", "here", "private", "mine"]}"#)
                .unwrap(),
            installed: vec![
                row("here", "1"),
                above,
                private,
                row("mine", "1"),
                row("other", "1"),
            ],
            pending: vec![PendingPackage {
                package: "due".to_owned(),
                change: Change::Install,
                version: "1".to_owned(),
                from: String::new(),
                repository: String::new(),
                reason: String::new(),
                error: None,
            }],
        }
    }

    fn run(&self, standing: Standing, action: ActionKind, packages: &[&str]) -> Result<(), Refusal> {
        self.run_with(standing, action, packages, &ActionOptions::default())
    }

    fn run_with(
        &self,
        standing: Standing,
        action: ActionKind,
        packages: &[&str],
        options: &ActionOptions,
    ) -> Result<(), Refusal> {
        let packages: Vec<String> = packages.iter().map(|name| (*name).to_owned()).collect();
        may_run(
            &person(standing),
            self.machine(),
            action,
            &packages,
            options,
            section,
        )
    }

    fn machine(&self) -> Machine<'_> {
        Machine {
            policy: &self.policy,
            rules: &self.rules,
            rule_signers: &[],
            installed: &self.installed,
            pending: &self.pending,
        }
    }
}

fn section(package: &str) -> Option<Section> {
    match package {
        "unknown" => None,
        "restricted" | "private" => Some(Section::Restricted),
        "unit" => Some(Section::Unit),
        _ => Some(Section::Base),
    }
}

const ACTIONS: [ActionKind; 19] = [
    ActionKind::Update,
    ActionKind::Upgrade,
    ActionKind::Install,
    ActionKind::Remove,
    ActionKind::Forget,
    ActionKind::Audit,
    ActionKind::Inventory,
    ActionKind::Register,
    ActionKind::Cancel,
    ActionKind::Message,
    ActionKind::ProposeUpgrade,
    ActionKind::SessionSetup,
    ActionKind::Describe,
    ActionKind::ServiceRestart,
    ActionKind::Reboot,
    ActionKind::Shutdown,
    ActionKind::WuaScan,
    ActionKind::WuaDownload,
    ActionKind::WuaInstall,
];

#[test]
fn of_all_actions_people_may_order_four() {
    let here = Here::new();
    for action in ACTIONS {
        for standing in [Standing::User, Standing::Manager] {
            let expected = matches!(
                action,
                ActionKind::Upgrade | ActionKind::Install | ActionKind::Remove | ActionKind::SessionSetup
            );
            assert_eq!(here.run(standing, action, &[]).is_ok(), expected, "{action}");
        }
        assert!(here.run(Standing::Administrator, action, &["anything"]).is_ok());
    }
    let mut here = Here::new();
    here.policy.allow_user_service_restart = true;
    assert!(here.run(Standing::User, ActionKind::ServiceRestart, &[]).is_ok());
}

#[test]
fn what_is_installed_or_pending_may_be_upgraded_by_anybody_the_rest_by_the_rules() {
    let here = Here::new();
    for (package, user, manager) in [
        ("due", true, true),
        ("other", true, true),
        ("offered", true, true),
        ("not-offered", false, true),
        ("restricted", false, false),
        ("unit", false, false),
        ("unknown", false, true),
    ] {
        let may = |standing| here.run(standing, ActionKind::Install, &[package]).is_ok();
        assert_eq!(
            (may(Standing::User), may(Standing::Manager)),
            (user, manager),
            "{package}"
        );
    }
    // One that is not allowed refuses all.
    let refused = here
        .run(Standing::User, ActionKind::Install, &["offered", "not-offered"])
        .unwrap_err();
    let body = refused.body();
    assert_eq!(body.code, ErrorCode::RightMissing);
    assert!(
        body.message.contains("not-offered") && body.message.contains("accounting"),
        "{}",
        body.message
    );
    assert!(body.hints[0].contains("administrator"));
}

#[test]
fn removing_needs_a_rule_for_everything_that_goes() {
    let here = Here::new();
    assert!(here.run(Standing::User, ActionKind::Remove, &["mine"]).is_ok());
    assert!(here.run(Standing::User, ActionKind::Remove, &["other"]).is_err());
    assert!(
        here.run(Standing::Manager, ActionKind::Remove, &["other"])
            .is_ok()
    );
    // A restricted package is in the rules, and in no way theirs.
    assert!(
        here.run(Standing::User, ActionKind::Remove, &["private"])
            .is_err()
    );
    let refused = here
        .run(Standing::User, ActionKind::Remove, &["here"])
        .unwrap_err();
    assert!(refused.to_string().contains("above depends on it"), "{refused}");

    let mut here = Here::new();
    here.policy.uninstall_allowed = false;
    let refused = here
        .run(Standing::Manager, ActionKind::Remove, &["mine"])
        .unwrap_err();
    assert!(refused.to_string().contains("uninstall_allowed"), "{refused}");
}

#[test]
fn files_versions_parameters_and_force_are_for_administrators() {
    let here = Here::new();
    for package in ["/tmp/x.wapt", r"..\x", "x.WAPT", "offered(=1.0)", "here(<1)"] {
        assert!(
            here.run(Standing::User, ActionKind::Install, &[package]).is_err(),
            "{package}"
        );
    }
    let forced = ActionOptions {
        force: true,
        ..ActionOptions::default()
    };
    let mut parameters = ActionOptions::default();
    parameters.params.insert("a".to_owned(), 1.into());
    let texted = ActionOptions {
        text: "x".to_owned(),
        ..ActionOptions::default()
    };
    for options in [&forced, &parameters, &texted] {
        for action in [ActionKind::Install, ActionKind::Upgrade, ActionKind::Remove] {
            let refused = here.run_with(Standing::Manager, action, &["mine"], options);
            assert!(refused.is_err(), "{action} {options:?}");
        }
    }
    assert!(
        here.run_with(Standing::User, ActionKind::SessionSetup, &[], &forced)
            .is_ok()
    );
    let gentle = ActionOptions {
        only_if_not_running: true,
        ..ActionOptions::default()
    };
    assert!(
        here.run_with(Standing::User, ActionKind::Upgrade, &[], &gentle)
            .is_ok()
    );
}

#[test]
fn what_lists_say_is_what_orders_get() {
    let here = Here::new();
    for package in [
        "due",
        "other",
        "offered",
        "not-offered",
        "restricted",
        "unit",
        "mine",
        "here",
        "private",
    ] {
        for standing in [Standing::User, Standing::Manager, Standing::Administrator] {
            let said = allowed(&person(standing), here.machine(), package, section(package));
            let may = |action| here.run(standing, action, &[package]).is_ok();
            assert_eq!(said.install, may(ActionKind::Install), "{package}");
            let is_in_place = here.installed.iter().any(|row| row.package() == package);
            assert_eq!(said.remove, may(ActionKind::Remove) && is_in_place, "{package}");
            assert_eq!(
                said.reason.is_empty(),
                said.install && (said.remove || !is_in_place),
                "{package}"
            );
        }
    }
}

#[test]
fn without_rules_the_refusal_says_so() {
    let mut here = Here::new();
    here.rules = SelfServiceRules::default();
    let refused = here
        .run(Standing::User, ActionKind::Install, &["offered"])
        .unwrap_err();
    assert!(refused.to_string().contains("no self-service rules"), "{refused}");
}
