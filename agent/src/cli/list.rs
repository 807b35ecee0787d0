//! `muster-agent list`: straight from the local database, or through the service for ordinary users.

use muster_shared::protocol::local::{
    CataloguePage, CatalogueQuery, CatalogueRow, LocalRequest, MAX_PAGE_ROWS, Shown,
};

use super::when::local_time;
use super::{Common, Done, reach};
use crate::output::table;

/// List the packages of this machine.
///
/// Reads the local database directly: it answers at once, whether or not the service runs. Ordinary users get the
/// list from the service, without what is not for them.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only packages whose name or description contains all of these words.
    #[arg(value_name = "WORD")]
    words: Vec<String>,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    if !reach::may_read(common) {
        return run_for_user(common, arguments).await;
    }
    let installed = match reach::state(common).await? {
        Some(state) => state.installed().await?,
        None => Vec::new(),
    };
    let words: Vec<String> = arguments.words.iter().map(|word| word.to_lowercase()).collect();
    let shown: Vec<_> = installed
        .iter()
        .map(crate::state::packages::Installed::shown)
        .filter(|package| {
            let text = format!("{} {}", package.package, package.description).to_lowercase();
            words.iter().all(|word| text.contains(word))
        })
        .collect();
    common.output().answer(&shown, |shown| {
        if shown.is_empty() {
            return nothing(&arguments.words);
        }
        let rows: Vec<[String; 6]> = shown
            .iter()
            .map(|package| {
                [
                    package.package.clone(),
                    package.version.clone(),
                    package.status.as_str().to_owned(),
                    package.audit_status.clone(),
                    local_time(package.changed_at),
                    first_line(&package.description),
                ]
            })
            .collect();
        table(
            ["Package", "Version", "Status", "Audit", "Since", "Description"],
            &rows,
        )
    });
    Ok(None)
}

async fn run_for_user(common: &Common, arguments: &Arguments) -> Done {
    let mut query = CatalogueQuery {
        search: arguments.words.join(" "),
        show: Shown::Installed,
        page_size: MAX_PAGE_ROWS,
        ..CatalogueQuery::default()
    };
    let mut rows: Vec<CatalogueRow> = Vec::new();
    loop {
        let request = LocalRequest::Catalogue { query: query.clone() };
        let page: CataloguePage = reach::ask_for(common, &request).await?;
        let is_last = page.rows.len() < query.page_size as usize;
        rows.extend(page.rows);
        if is_last {
            break;
        }
        query.page += 1;
    }
    // The same names of fields as administrators get, as far as there is something to say.
    let shown: Vec<serde_json::Value> = rows
        .iter()
        .map(|row| {
            serde_json::json!({
                "package": row.package,
                "version": row.installed,
                "status": row.status,
                "section": row.section,
                "package_uuid": row.package_uuid,
                "description": row.description,
                "allowed": row.allowed,
            })
        })
        .collect();
    common.output().answer(&shown, |_shown| {
        if rows.is_empty() {
            return nothing(&arguments.words);
        }
        let cells: Vec<[String; 4]> = rows
            .iter()
            .map(|row| {
                [
                    row.package.clone(),
                    row.installed.clone().unwrap_or_default(),
                    row.status
                        .map(|status| status.as_str().to_owned())
                        .unwrap_or_default(),
                    first_line(&row.description),
                ]
            })
            .collect();
        table(["Package", "Version", "Status", "Description"], &cells)
    });
    Ok(None)
}

fn nothing(words: &[String]) -> String {
    if words.is_empty() {
        "no package is installed".to_owned()
    } else {
        format!("no installed package matches {}", words.join(" "))
    }
}

/// The first line of a text, cut where a table would become too wide.
pub(super) fn first_line(text: &str) -> String {
    const LONGEST: usize = 60;
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= LONGEST {
        return line.to_owned();
    }
    let cut: String = line.chars().take(LONGEST - 1).collect();
    format!("{}…", cut.trim_end())
}
