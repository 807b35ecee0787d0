//! Reading `waptdb.sqlite`: the rows of its packages and its parameters, as they stand there.
//!
//! The schema grew over the years: a column that is not there counts as empty.

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{Connection as _, Row as _, ValueRef as _};

use super::MigrationError;
use super::base::Base;

/// No machine has more packages or parameters.
const MAX_ROWS: usize = 10_000;

/// The longest text of a column that is kept, in bytes.
const MAX_TEXT_BYTES: usize = 4 * 1024 * 1024;

/// One row of `wapt_localstatus`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct WaptRow {
    pub package: String,
    pub version: String,
    pub package_uuid: String,
    pub architecture: String,
    pub section: String,
    pub priority: String,
    pub maturity: String,
    pub locale: String,
    pub depends: String,
    pub conflicts: String,
    pub impacted_process: String,
    pub audit_schedule: String,
    pub explicit_by: String,
    pub install_date: String,
    pub install_status: String,
    pub install_output: String,
    pub install_params: String,
    pub uninstall_key: String,
    pub setuppy: String,
    pub last_audit_on: String,
    pub last_audit_status: String,
    pub last_audit_output: String,
    pub next_audit_on: String,
    pub persistent_dir: String,
}

/// One row of `wapt_params`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WaptParameter {
    pub name: String,
    pub value: String,
    pub kind: String,
}

/// What the database holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// In the order in which they were written.
    pub rows: Vec<WaptRow>,
    pub parameters: Vec<WaptParameter>,
    /// Who the machine was.
    pub uuid: Option<String>,
    /// There was a database at all.
    pub was_there: bool,
}

/// Reads the database beside a running WAPT agent.
pub(super) async fn read(base: &Base) -> Result<Contents, MigrationError> {
    let path = base.database();
    if !path.is_file() {
        return Ok(Contents::default());
    }
    let failed = |source| MigrationError::Database {
        path: path.clone(),
        source,
    };
    let options = SqliteConnectOptions::new().filename(&path).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await.map_err(failed)?;
    let rows = rows_of(
        &mut connection,
        "SELECT * FROM wapt_localstatus ORDER BY rowid LIMIT 10001",
    )
    .await;
    let parameters = rows_of(
        &mut connection,
        "SELECT * FROM wapt_params ORDER BY rowid LIMIT 10001",
    )
    .await;
    let (rows, parameters) = (rows.map_err(failed)?, parameters.map_err(failed)?);
    connection.close().await.map_err(failed)?;
    let parameters: Vec<WaptParameter> = parameters
        .iter()
        .take(MAX_ROWS)
        .map(|row| WaptParameter {
            name: text(row, "name"),
            value: text(row, "value"),
            kind: text(row, "ptype"),
        })
        .filter(|parameter| !parameter.name.is_empty())
        .collect();
    let uuid = parameters
        .iter()
        .find(|parameter| parameter.name == "uuid")
        .map(|parameter| parameter.value.trim_matches('"').to_owned())
        .filter(|uuid| !uuid.is_empty());
    Ok(Contents {
        rows: rows.iter().take(MAX_ROWS).map(package).collect(),
        parameters,
        uuid,
        was_there: true,
    })
}

/// Rows of a table; none when a database so old has no such table.
async fn rows_of(
    connection: &mut SqliteConnection,
    query: &'static str,
) -> Result<Vec<SqliteRow>, sqlx::Error> {
    match sqlx::query(query).fetch_all(connection).await {
        Err(sqlx::Error::Database(error)) if error.message().contains("no such table") => Ok(Vec::new()),
        other => other,
    }
}

fn package(row: &SqliteRow) -> WaptRow {
    WaptRow {
        package: text(row, "package"),
        version: text(row, "version"),
        package_uuid: text(row, "package_uuid"),
        architecture: text(row, "architecture"),
        section: text(row, "section"),
        priority: text(row, "priority"),
        maturity: text(row, "maturity"),
        locale: text(row, "locale"),
        depends: text(row, "depends"),
        conflicts: text(row, "conflicts"),
        impacted_process: text(row, "impacted_process"),
        audit_schedule: text(row, "audit_schedule"),
        explicit_by: text(row, "explicit_by"),
        install_date: text(row, "install_date"),
        install_status: text(row, "install_status"),
        install_output: text(row, "install_output"),
        install_params: text(row, "install_params"),
        uninstall_key: text(row, "uninstall_key"),
        setuppy: text(row, "setuppy"),
        last_audit_on: text(row, "last_audit_on"),
        last_audit_status: text(row, "last_audit_status"),
        last_audit_output: text(row, "last_audit_output"),
        next_audit_on: text(row, "next_audit_on"),
        persistent_dir: text(row, "persistent_dir"),
    }
}

/// A value as text, whatever SQLite holds it as; empty when it is not there, NULL, or too long to be one of ours.
fn text(row: &SqliteRow, column: &str) -> String {
    let Ok(value) = row.try_get_raw(column) else {
        return String::new();
    };
    if value.is_null() {
        return String::new();
    }
    let text = row
        .try_get_unchecked::<String, _>(column)
        .or_else(|_other| {
            row.try_get_unchecked::<Vec<u8>, _>(column)
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        })
        .unwrap_or_default();
    if text.len() > MAX_TEXT_BYTES {
        return String::new();
    }
    text
}
