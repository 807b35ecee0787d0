//! The catalogue for people: what the repositories offer this machine, what is here, and what the person may do.
//!
//! Rows that people are never offered (sections other than `base` and `group`) are in it for administrators who ask
//! for everything only. What is read of an index is kept for a short while, because a person at a window turns pages.

mod shelf;

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_shared::control::{Control, Section};
use muster_shared::protocol::error::{ErrorBody, ErrorCode};
use muster_shared::protocol::local::{
    CataloguePage, CatalogueQuery, CatalogueRow, MAX_PAGE_ROWS, PackageDetail, Shown, Sort,
};
use muster_shared::protocol::package::{Change, InstallStatus};
use muster_shared::request::split_list;
use muster_shared::rules::repository::MAIN_REPOSITORY;
use muster_shared::rules::selfservice::is_offered;

pub use self::shelf::Shelf;
use super::person::Person;
use super::rights::{self, Machine};
use crate::state::packages::Installed;

/// Rows of a page unless more or fewer are asked for.
const USUAL_PAGE_ROWS: u32 = 50;

/// The most categories that a page lists.
const MAX_CATEGORIES: usize = 500;

/// The best package of a name that the repositories offer, as far as lists need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub package: String,
    pub title: String,
    pub version: String,
    pub section: Section,
    /// By language, the one without a language under the empty text.
    descriptions: BTreeMap<String, String>,
    categories: Vec<String>,
    keywords: String,
    pub package_uuid: String,
    pub size: u64,
    signature_date: String,
    /// The name of the repository that lists it, else of the one that it came from; empty when there is none.
    pub repository: String,
}

impl Offer {
    /// The offer that a control file makes; none when its section is no section.
    pub fn of(control: &Control, size: u64, repository: &str) -> Option<Self> {
        let descriptions = control
            .attributes()
            .filter(|(_name, value)| !value.is_empty())
            .filter_map(|(name, value)| {
                let language = name.strip_prefix("description")?;
                Some((language.trim_start_matches('_').to_owned(), value.to_owned()))
            })
            .collect();
        Some(Self {
            package: control.package().to_owned(),
            title: control.display_name().to_owned(),
            version: control.version().to_owned(),
            section: control.section_kind().ok()?,
            descriptions,
            categories: split_list(control.get("categories")).map(str::to_owned).collect(),
            keywords: control.get("keywords").to_owned(),
            package_uuid: control.get("package_uuid").to_owned(),
            size,
            signature_date: control.get("signature_date").to_owned(),
            repository: repository.to_owned(),
        })
    }

    fn description(&self, language: &str) -> &str {
        self.descriptions
            .get(language)
            .or_else(|| self.descriptions.get(""))
            .map(String::as_str)
            .unwrap_or_default()
    }

    fn has_words(&self, words: &[String]) -> bool {
        if words.is_empty() {
            return true;
        }
        let mut text = [self.package.as_str(), &self.title, &self.keywords].join(" ");
        for description in self.descriptions.values() {
            text.push(' ');
            text.push_str(description);
        }
        let text = text.to_lowercase();
        words.iter().all(|word| text.contains(word))
    }
}

/// The section of what the repositories offer under a name.
pub fn section_of(shelf: &[Offer], package: &str) -> Option<Section> {
    find(shelf, package).map(|offer| offer.section)
}

fn find<'a>(shelf: &'a [Offer], package: &str) -> Option<&'a Offer> {
    shelf
        .binary_search_by(|offer| offer.package.as_str().cmp(package))
        .ok()
        .and_then(|place| shelf.get(place))
}

/// One page, as the query asks for it. `shelf` is sorted by the names of packages.
pub fn page(
    shelf: &[Offer],
    machine: Machine<'_>,
    person: &Person,
    query: &CatalogueQuery,
    updated_at: Option<Timestamp>,
) -> CataloguePage {
    // What is here and offered no more is in the list as well.
    let gone: Vec<Offer> = machine
        .installed
        .iter()
        .filter(|row| find(shelf, row.package()).is_none())
        .filter_map(|row| {
            let mut offer = Offer::of(&row.control, 0, &row.repository)?;
            offer.version = String::new();
            Some(offer)
        })
        .collect();
    let words: Vec<String> = query
        .search
        .to_lowercase()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let language: String = query.language.chars().take(2).collect();
    let everything = query.everything && person.is_administrator();
    let mut found: Vec<(&Offer, Option<&Installed>)> = shelf
        .iter()
        .chain(&gone)
        .filter(|offer| everything || is_offered(offer.section))
        .filter(|offer| offer.has_words(&words))
        .map(|offer| (offer, installed(machine, &offer.package)))
        .filter(|(offer, row)| is_shown(query.show, machine, offer, *row))
        .collect();
    let mut categories: BTreeMap<&str, u32> = BTreeMap::new();
    for (offer, _row) in &found {
        for category in &offer.categories {
            *categories.entry(category).or_default() += 1;
        }
    }
    if !query.category.is_empty() {
        found.retain(|(offer, _row)| {
            offer
                .categories
                .iter()
                .any(|category| category.eq_ignore_ascii_case(&query.category))
        });
    }
    match query.sort {
        Sort::Name => {
            found.sort_by_cached_key(|(offer, _row)| (offer.title.to_lowercase(), offer.package.clone()));
        }
        Sort::Date => found.sort_by(|(one, _), (other, _)| {
            (&other.signature_date, &one.package).cmp(&(&one.signature_date, &other.package))
        }),
    }
    let page_size = match query.page_size {
        0 => USUAL_PAGE_ROWS,
        size => size.min(MAX_PAGE_ROWS),
    };
    let skipped = (query.page as usize).saturating_mul(page_size as usize);
    let rows = found
        .iter()
        .skip(skipped)
        .take(page_size as usize)
        .map(|(offer, row)| shown_row(offer, *row, machine, person, &language))
        .collect();
    CataloguePage {
        rows,
        total: u32::try_from(found.len()).unwrap_or(u32::MAX),
        page: query.page,
        page_size,
        categories: categories
            .into_iter()
            .take(MAX_CATEGORIES)
            .map(|(name, count)| (name.to_owned(), count))
            .collect(),
        updated_at,
    }
}

/// Everything about one package; `control` is of the version on offer.
///
/// # Errors
/// There is none of that name for this person.
pub fn detail(
    shelf: &[Offer],
    machine: Machine<'_>,
    person: &Person,
    package: &str,
    control: Option<&Control>,
) -> Result<PackageDetail, ErrorBody> {
    let row = installed(machine, package);
    let made = row.and_then(|row| {
        let mut offer = Offer::of(&row.control, 0, &row.repository)?;
        offer.version = String::new();
        Some(offer)
    });
    let offer = find(shelf, package)
        .or(made.as_ref())
        .filter(|offer| person.is_administrator() || is_offered(offer.section))
        .ok_or_else(|| {
            ErrorBody::new(
                ErrorCode::NotFound,
                format!("{package} is neither on this machine nor in its repositories, or is not for users"),
            )
            .with_hint("`muster-agent search WORD` shows what there is")
        })?;
    let attributes = control
        .or(row.map(|row| &row.control))
        .map(|control| {
            control
                .attributes()
                .filter(|(name, value)| {
                    !value.is_empty() && !matches!(*name, "signature" | "signed_attributes")
                })
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect()
        })
        .unwrap_or_default();
    let log = row
        .filter(|row| person.is_administrator() || row.explicit_by == person.name)
        .map(|row| row.log.clone())
        .unwrap_or_default();
    Ok(PackageDetail {
        row: shown_row(offer, row, machine, person, ""),
        attributes,
        log,
    })
}

/// The repository of the package that has this identifier: the one that offers it, else the one that it came from; the
/// main one for a file that somebody gave. `None` when there is no such package for this person.
pub fn repository_of<'a>(
    shelf: &'a [Offer],
    installed: &'a [Installed],
    person: &Person,
    package_uuid: &str,
) -> Option<&'a str> {
    if package_uuid.is_empty() {
        return None;
    }
    let is_for = |section| person.is_administrator() || is_offered(section);
    let offered = shelf
        .iter()
        .find(|offer| offer.package_uuid == package_uuid && is_for(offer.section));
    if let Some(offer) = offered {
        return Some(&offer.repository);
    }
    let here = installed.iter().find(|row| {
        row.control.get("package_uuid") == package_uuid && row.control.section_kind().is_ok_and(is_for)
    })?;
    Some(match here.repository.as_str() {
        "" => MAIN_REPOSITORY,
        name => name,
    })
}

fn installed<'a>(machine: Machine<'a>, package: &str) -> Option<&'a Installed> {
    machine.installed.iter().find(|row| row.package() == package)
}

fn pending<'a>(
    machine: Machine<'a>,
    package: &str,
) -> Option<&'a muster_shared::protocol::package::PendingPackage> {
    machine.pending.iter().find(|change| change.package == package)
}

fn is_shown(show: Shown, machine: Machine<'_>, offer: &Offer, row: Option<&Installed>) -> bool {
    let is_in_place = row.is_some_and(|row| row.in_place);
    match show {
        Shown::All => true,
        Shown::Installed => row.is_some(),
        Shown::NotInstalled => !is_in_place,
        Shown::Upgradable => {
            is_in_place
                && pending(machine, &offer.package).is_some_and(|change| change.change == Change::Upgrade)
        }
    }
}

fn shown_row(
    offer: &Offer,
    row: Option<&Installed>,
    machine: Machine<'_>,
    person: &Person,
    language: &str,
) -> CatalogueRow {
    CatalogueRow {
        package: offer.package.clone(),
        name: offer.title.clone(),
        version: offer.version.clone(),
        installed: row
            .filter(|row| row.in_place)
            .map(|row| row.control.version().to_owned()),
        status: row.map(|row| -> InstallStatus { row.status }),
        pending: pending(machine, &offer.package).cloned(),
        description: offer.description(language).to_owned(),
        section: offer.section.as_str().to_owned(),
        categories: offer.categories.clone(),
        package_uuid: offer.package_uuid.clone(),
        size: offer.size,
        signature_date: offer.signature_date.clone(),
        repository: offer.repository.clone(),
        allowed: rights::allowed(person, machine, &offer.package, Some(offer.section)),
    }
}

#[cfg(test)]
mod tests;
