//! `muster-agent search`: the packages that the repositories offer this machine.

use muster_shared::protocol::local::{CataloguePage, CatalogueQuery, LocalRequest, MAX_PAGE_ROWS, Shown};

use super::{Common, Done, reach};
use crate::config::Config;
use crate::local_api::catalogue::{self, Shelf};
use crate::local_api::person::{Person, Standing};
use crate::local_api::rights::Machine;
use crate::output::table;
use crate::state::{State, facts};
use crate::update::{self, pool::Pool};

/// List the packages that the repositories offer this machine.
///
/// The newest version of each, with what is installed here. Ordinary users see what can be offered to people, and
/// whether they may install it. Exit code 4 when no index was fetched yet.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only packages whose name, description or keywords contain all of these words.
    #[arg(value_name = "WORD")]
    words: Vec<String>,
    /// Only packages of this category.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    category: String,
    /// Only packages of these sections; all for administrators otherwise.
    #[arg(short, long, value_name = "SECTION", value_delimiter = ',')]
    sections: Vec<String>,
    /// Only packages that are not installed.
    #[arg(long, conflicts_with = "upgradable")]
    not_installed: bool,
    /// Only packages that an upgrade brings to a newer version.
    #[arg(long)]
    upgradable: bool,
    /// The newest version only, which is what is shown anyway; for scripts written for WAPT.
    #[arg(short, long, hide = true)]
    newest_only: bool,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    let may_read = reach::may_read(common);
    let mut query = CatalogueQuery {
        search: arguments.words.join(" "),
        category: arguments.category.clone(),
        show: if arguments.not_installed {
            Shown::NotInstalled
        } else if arguments.upgradable {
            Shown::Upgradable
        } else {
            Shown::All
        },
        page_size: MAX_PAGE_ROWS,
        everything: may_read,
        ..CatalogueQuery::default()
    };
    let source = if may_read {
        Some(Source::open(common).await?)
    } else {
        None
    };
    let mut rows = Vec::new();
    loop {
        let page = if let Some(source) = &source {
            source.page(&query)
        } else {
            let request = LocalRequest::Catalogue { query: query.clone() };
            reach::ask_for::<CataloguePage>(common, &request).await?
        };
        let is_last = page.rows.len() < query.page_size as usize;
        rows.extend(page.rows);
        if is_last {
            break;
        }
        query.page += 1;
    }
    rows.retain(|row| {
        !row.version.is_empty()
            && (arguments.sections.is_empty() || arguments.sections.contains(&row.section))
    });
    common.output().answer(&rows, |rows| {
        if rows.is_empty() {
            return "no packages".to_owned();
        }
        let cells: Vec<[String; 5]> = rows
            .iter()
            .map(|row| {
                let may = if row.allowed.install { "yes" } else { "no" };
                [
                    row.package.clone(),
                    row.version.clone(),
                    row.installed.clone().unwrap_or_default(),
                    if may_read {
                        row.section.clone()
                    } else {
                        may.to_owned()
                    },
                    super::list::first_line(&row.description),
                ]
            })
            .collect();
        let fourth = if may_read { "Section" } else { "For you" };
        table(["Package", "Version", "Installed", fourth, "Description"], &cells)
    });
    Ok(None)
}

/// The catalogue, read without the service.
struct Source {
    offers: std::sync::Arc<Vec<catalogue::Offer>>,
    installed: Vec<crate::state::packages::Installed>,
    pending: Vec<muster_shared::protocol::package::PendingPackage>,
    rules: muster_shared::rules::selfservice::SelfServiceRules,
    config: Config,
    updated_at: Option<jiff::Timestamp>,
}

impl Source {
    async fn open(common: &Common) -> Result<Self, crate::failure::Failure> {
        let paths = common.paths();
        let config = Config::load(&paths)?;
        if !Pool::of(&paths, &config)?.has_index() {
            return Err(update::no_index());
        }
        let state = State::open_read_only(&paths.database()).await?;
        let offers = Shelf::new(&paths, &config)
            .offers(muster_shared::clock::now())
            .await?;
        Ok(Self {
            offers,
            installed: state.installed().await?,
            pending: state.pending().await?,
            rules: state.self_service_rules().await?,
            updated_at: state.time_fact(facts::UPDATED_AT).await?,
            config,
        })
    }

    fn page(&self, query: &CatalogueQuery) -> CataloguePage {
        let person = Person {
            name: super::order::current_user(),
            identities: Vec::new(),
            groups: Vec::new(),
            standing: Standing::Administrator,
        };
        let machine = Machine {
            policy: &self.config.people,
            rules: &self.rules,
            rule_signers: &[],
            installed: &self.installed,
            pending: &self.pending,
        };
        catalogue::page(&self.offers, machine, &person, query, self.updated_at)
    }
}
