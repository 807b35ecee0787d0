//! Pages of the catalogue: who sees what, words, categories, order.

use muster_shared::protocol::package::PendingPackage;
use muster_shared::rules::selfservice::SelfServiceRules;

use super::super::person::Standing;
use super::*;
use crate::config::People;
use crate::state::packages::tests::row;

fn offer(package: &str, section: Section, extra: &[(&str, &str)]) -> Offer {
    let mut control = Control::new(package, "2.0", section);
    for (name, value) in extra {
        control.set(name, value);
    }
    Offer::of(&control, 1000, MAIN_REPOSITORY).unwrap()
}

struct Here {
    shelf: Vec<Offer>,
    installed: Vec<Installed>,
    pending: Vec<PendingPackage>,
    rules: SelfServiceRules,
    policy: People,
}

impl Here {
    fn new() -> Self {
        let shelf = vec![
            offer(
                "demo-a",
                Section::Base,
                &[
                    ("name", "Zebra"),
                    ("description", "Draws stripes"),
                    ("description_fr", "Dessine des rayures"),
                    ("categories", "Graphics,Office"),
                    ("signature_date", "2026-01-01T00:00:00"),
                ],
            ),
            offer(
                "demo-b",
                Section::Base,
                &[
                    ("categories", "Office"),
                    ("signature_date", "2026-02-01T00:00:00"),
                ],
            ),
            offer("demo-r", Section::Restricted, &[]),
        ];
        Self {
            shelf,
            installed: vec![row("demo-a", "1.0"), row("demo-gone", "1.0")],
            pending: vec![PendingPackage {
                package: "demo-a".to_owned(),
                change: Change::Upgrade,
                version: "2.0".to_owned(),
                from: "1.0".to_owned(),
                repository: String::new(),
                reason: String::new(),
                error: None,
            }],
            rules: SelfServiceRules::default(),
            policy: People::default(),
        }
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

    fn names(&self, standing: Standing, query: &CatalogueQuery) -> Vec<String> {
        let page = page(&self.shelf, self.machine(), &person(standing), query, None);
        page.rows.into_iter().map(|row| row.package).collect()
    }
}

fn person(standing: Standing) -> Person {
    Person {
        name: "ann".to_owned(),
        identities: vec!["ann".to_owned()],
        groups: Vec::new(),
        standing,
    }
}

#[test]
fn people_see_what_can_be_offered_and_administrators_everything_when_they_ask() {
    let here = Here::new();
    let query = CatalogueQuery::default();
    assert_eq!(
        here.names(Standing::User, &query),
        ["demo-b", "demo-gone", "demo-a"]
    );
    let everything = CatalogueQuery {
        everything: true,
        sort: Sort::Date,
        ..query
    };
    assert_eq!(
        here.names(Standing::Administrator, &everything),
        ["demo-b", "demo-a", "demo-gone", "demo-r"]
    );
    assert!(
        !here
            .names(Standing::User, &everything)
            .contains(&"demo-r".to_owned())
    );
}

#[test]
fn words_categories_and_states_narrow_the_page() {
    let here = Here::new();
    let names = |query: CatalogueQuery| here.names(Standing::User, &query);
    let of = |search: &str| CatalogueQuery {
        search: search.to_owned(),
        ..CatalogueQuery::default()
    };
    assert_eq!(names(of("RAYURES zebra")), ["demo-a"]);
    assert!(names(of("zebra missing")).is_empty());
    let shown = |show| CatalogueQuery {
        show,
        ..CatalogueQuery::default()
    };
    assert_eq!(names(shown(Shown::Upgradable)), ["demo-a"]);
    assert_eq!(names(shown(Shown::NotInstalled)), ["demo-b"]);
    assert_eq!(names(shown(Shown::Installed)), ["demo-gone", "demo-a"]);
    let office = CatalogueQuery {
        category: "office".to_owned(),
        page_size: 1,
        page: 1,
        ..CatalogueQuery::default()
    };
    let page = page(
        &here.shelf,
        here.machine(),
        &person(Standing::User),
        &office,
        None,
    );
    assert_eq!((page.total, page.rows.len()), (2, 1));
    assert_eq!(
        page.categories,
        [("Graphics".to_owned(), 1), ("Office".to_owned(), 2)]
    );
}

#[test]
fn a_row_says_what_is_here_what_comes_and_what_the_person_may() {
    let here = Here::new();
    let french = CatalogueQuery {
        search: "zebra".to_owned(),
        language: "fr".to_owned(),
        ..CatalogueQuery::default()
    };
    let page = page(
        &here.shelf,
        here.machine(),
        &person(Standing::User),
        &french,
        None,
    );
    let row = &page.rows[0];
    assert_eq!(row.description, "Dessine des rayures");
    assert_eq!(row.repository, MAIN_REPOSITORY);
    assert_eq!(
        (row.version.as_str(), row.installed.as_deref()),
        ("2.0", Some("1.0"))
    );
    assert!(row.pending.is_some() && row.allowed.install && !row.allowed.remove);
    assert!(
        row.allowed.reason.contains("no self-service rules"),
        "{}",
        row.allowed.reason
    );
}

#[test]
fn a_page_far_behind_the_end_is_empty_and_a_page_size_is_bounded() {
    let here = Here::new();
    let query = CatalogueQuery {
        page: u32::MAX,
        page_size: u32::MAX,
        ..CatalogueQuery::default()
    };
    let page = page(&here.shelf, here.machine(), &person(Standing::User), &query, None);
    assert!(page.rows.is_empty());
    assert_eq!(page.page_size, MAX_PAGE_ROWS);
}

#[test]
fn logs_are_for_who_asked_for_the_package() {
    let mut here = Here::new();
    here.installed[0].explicit_by = "ann".to_owned();
    let log = |standing, package| {
        detail(&here.shelf, here.machine(), &person(standing), package, None).map(|detail| detail.log)
    };
    assert_eq!(log(Standing::User, "demo-a").unwrap(), "done\n");
    assert_eq!(log(Standing::User, "demo-gone").unwrap(), "");
    here.installed
        .iter_mut()
        .for_each(|row| row.repository = "extra".to_owned());
    let gone = detail(
        &here.shelf,
        here.machine(),
        &person(Standing::User),
        "demo-gone",
        None,
    )
    .unwrap();
    assert_eq!(
        (gone.row.repository.as_str(), gone.row.version.as_str()),
        ("extra", "")
    );
    let log = |standing, package| {
        detail(&here.shelf, here.machine(), &person(standing), package, None).map(|detail| detail.log)
    };
    assert_eq!(log(Standing::Administrator, "demo-gone").unwrap(), "done\n");
    assert_eq!(
        log(Standing::User, "demo-r").unwrap_err().code,
        ErrorCode::NotFound
    );
    assert!(log(Standing::Administrator, "demo-r").is_ok());
}

#[test]
fn a_picture_comes_from_where_the_package_is_offered_else_from_where_it_came() {
    let mut here = Here::new();
    let who = person(Standing::User);
    let of = |here: &Here, uuid: &str| {
        repository_of(&here.shelf, &here.installed, &who, uuid).map(ToOwned::to_owned)
    };
    let mut control = Control::new("demo-x", "1", Section::Base);
    control.set("package_uuid", "u-x");
    here.shelf.push(Offer::of(&control, 1000, "extra").unwrap());
    assert_eq!(of(&here, "u-x").as_deref(), Some("extra"));
    assert_eq!(of(&here, "u-unknown"), None);

    let mut gone = row("demo-y", "1");
    gone.control.set("package_uuid", "u-y");
    here.installed.push(gone);
    assert_eq!(of(&here, "u-y").as_deref(), Some(MAIN_REPOSITORY));
    here.installed.last_mut().unwrap().repository = "extra".to_owned();
    assert_eq!(of(&here, "u-y").as_deref(), Some("extra"));
}
