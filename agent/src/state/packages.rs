//! Packages on this machine: their status, their stored script, their log.

use jiff::Timestamp;
use muster_shared::control::{Control, Section};
use muster_shared::protocol::package::{InstallStatus, InstalledPackage};
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::journal::{JournalRow, write_journal};
use super::{State, StateError, from_json, json, micros, query, timestamp};

/// How much of a log is kept, in bytes; its end is what matters.
pub const MAX_LOG_BYTES: usize = 16 * 1024;

/// One package of this machine, without its script.
#[derive(Debug, Clone, PartialEq)]
pub struct Installed {
    /// The control that belongs to `version` of this row.
    pub control: Control,
    pub status: InstallStatus,
    /// This version is on the machine, whatever became of a later try.
    pub in_place: bool,
    /// Which step failed, empty when none did.
    pub failed_step: String,
    pub log: String,
    pub changed_at: Timestamp,
    /// Who asked for it; empty when it came as a dependency.
    pub explicit_by: String,
    /// Common name of the signer, as its certificate says.
    pub signer: String,
    pub signer_fingerprint: String,
    /// The repository that it came from; empty for a file that somebody gave.
    pub repository: String,
    /// Consecutive failed tries.
    pub tries: u32,
    /// The word that `install()` returned when it is none of the known ones; the status is UNKNOWN then.
    pub script_status: String,
    pub audit_status: String,
    pub audit_output: String,
    pub audited_at: Option<Timestamp>,
    pub next_audit_at: Option<Timestamp>,
    pub has_setup: bool,
    pub uninstall_keys: Vec<String>,
}

/// What a later hook of a package needs.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredScript {
    pub setup_py: String,
    pub params: serde_json::Map<String, serde_json::Value>,
    pub uninstall_keys: Vec<String>,
}

impl Installed {
    /// The name of the package.
    pub fn package(&self) -> &str {
        self.control.package()
    }

    /// The row as the server and the console show it.
    pub fn shown(&self) -> InstalledPackage {
        InstalledPackage {
            package: self.control.package().to_owned(),
            version: self.control.version().to_owned(),
            section: self.control.section().to_owned(),
            architecture: self.control.architecture().to_owned(),
            maturity: self.control.maturity().to_owned(),
            locale: self.control.get("locale").to_owned(),
            package_uuid: self.control.get("package_uuid").to_owned(),
            status: self.status,
            log: self.log.clone(),
            failed_step: self.failed_step.clone(),
            changed_at: self.changed_at,
            explicit_by: self.explicit_by.clone(),
            signer: self.signer.clone(),
            signer_fingerprint: self.signer_fingerprint.clone(),
            repository: self.repository.clone(),
            depends: self.control.depends().to_owned(),
            conflicts: self.control.conflicts().to_owned(),
            description: self.control.get("description").to_owned(),
            tries: self.tries,
            script_status: self.script_status.clone(),
            audit_status: self.audit_status.clone(),
            audit_output: self.audit_output.clone(),
            audited_at: self.audited_at,
        }
    }
}

const COLUMNS: &str = "SELECT control, status, in_place, failed_step, log, changed_at, explicit_by, signer, \
     signer_fingerprint, repository, tries, script_status, audit_status, audit_output, audited_at, next_audit_at, \
     setup_py IS NOT NULL AS has_setup, uninstall_keys FROM packages";

impl State {
    /// Every package of this machine, by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn installed(&self) -> Result<Vec<Installed>, StateError> {
        sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} ORDER BY package")))
            .fetch_all(&self.pool)
            .await
            .map_err(query("list the packages"))?
            .iter()
            .map(installed)
            .collect()
    }

    /// One package of this machine.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn package(&self, package: &str) -> Result<Option<Installed>, StateError> {
        sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE package = ?")))
            .bind(package)
            .fetch_optional(&self.pool)
            .await
            .map_err(query("read a package"))?
            .as_ref()
            .map(installed)
            .transpose()
    }

    /// The package of section host that is in force.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn host_package(&self) -> Result<Option<Installed>, StateError> {
        sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE section = ?")))
            .bind(Section::Host.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(query("read the host package"))?
            .as_ref()
            .map(installed)
            .transpose()
    }

    /// The script of a package, stored when it was installed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn stored_script(&self, package: &str) -> Result<Option<StoredScript>, StateError> {
        let row = sqlx::query("SELECT setup_py, params, uninstall_keys FROM packages WHERE package = ?")
            .bind(package)
            .fetch_optional(&self.pool)
            .await
            .map_err(query("read a script"))?;
        let Some(row) = row else { return Ok(None) };
        let column = query("read a script");
        let setup_py: Option<Vec<u8>> = row.try_get("setup_py").map_err(column)?;
        let Some(setup_py) = setup_py else { return Ok(None) };
        let text = |name| row.try_get::<String, _>(name).map_err(query("read a script"));
        Ok(Some(StoredScript {
            setup_py: String::from_utf8_lossy(&setup_py).into_owned(),
            params: from_json("the parameters of a package", &text("params")?)?,
            uninstall_keys: from_json("the uninstall keys of a package", &text("uninstall_keys")?)?,
        }))
    }

    /// Writes a package's row as a whole, with its script; what audits found is kept.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn store_package(
        &self,
        row: &Installed,
        script: Option<&StoredScript>,
    ) -> Result<(), StateError> {
        let mut connection = self.pool.acquire().await.map_err(query("write a package"))?;
        store(&mut connection, row, script).await
    }

    /// Writes a package's row and the step that begins with it, both or neither.
    ///
    /// # Errors
    /// When the database does not take it: the step must not begin then.
    pub async fn store_package_at(
        &self,
        row: &Installed,
        script: Option<&StoredScript>,
        step: &JournalRow,
    ) -> Result<(), StateError> {
        let mut transaction = self.pool.begin().await.map_err(query("begin a step"))?;
        store(&mut transaction, row, script).await?;
        write_journal(&mut transaction, step).await?;
        transaction.commit().await.map_err(query("begin a step"))
    }

    /// Keeps what a running script wrote so far.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn write_log(&self, package: &str, log: &str) -> Result<(), StateError> {
        sqlx::query("UPDATE packages SET log = ? WHERE package = ?")
            .bind(tail(log))
            .bind(package)
            .execute(&self.pool)
            .await
            .map_err(query("keep the log of a script"))?;
        Ok(())
    }

    /// Records a failed try on a package that has a row; what is in place stays described as it is.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn fail_package(
        &self,
        package: &str,
        step: &str,
        log: &str,
        now: Timestamp,
    ) -> Result<(), StateError> {
        sqlx::query(
            "UPDATE packages SET status = 'ERROR', failed_step = ?, log = ?, changed_at = ?, tries = tries + 1 WHERE package = ?",
        )
        .bind(step)
        .bind(tail(log))
        .bind(micros(now))
        .bind(package)
        .execute(&self.pool)
        .await
        .map_err(query("record a failure"))?;
        Ok(())
    }

    /// Sets how a package stands, clearing what an earlier try left.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn set_status(
        &self,
        package: &str,
        status: InstallStatus,
        log: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StateError> {
        sqlx::query(
            "UPDATE packages SET status = ?, failed_step = '', log = coalesce(?, log), changed_at = ?, \
             in_place = max(in_place, ?), tries = CASE WHEN ? THEN 0 ELSE tries END WHERE package = ?",
        )
        .bind(status.as_str())
        .bind(log.map(tail))
        .bind(micros(now))
        .bind(status.is_installed())
        .bind(status.is_installed())
        .bind(package)
        .execute(&self.pool)
        .await
        .map_err(query("set a status"))?;
        Ok(())
    }

    /// Sets who asked for a package; an empty name is never written over a real one.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn mark_explicit(&self, package: &str, by: &str) -> Result<(), StateError> {
        sqlx::query("UPDATE packages SET explicit_by = ? WHERE package = ? AND ? <> ''")
            .bind(by)
            .bind(package)
            .bind(by)
            .execute(&self.pool)
            .await
            .map_err(query("mark a package as asked for"))?;
        Ok(())
    }

    /// Deletes a package's row and what users' session set-ups left of it.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn delete_package(&self, package: &str) -> Result<bool, StateError> {
        let mut transaction = self
            .pool
            .begin()
            .await
            .map_err(query("begin forgetting a package"))?;
        sqlx::query("DELETE FROM sessions WHERE package = ?")
            .bind(package)
            .execute(&mut *transaction)
            .await
            .map_err(query("forget session set-ups"))?;
        let done = sqlx::query("DELETE FROM packages WHERE package = ?")
            .bind(package)
            .execute(&mut *transaction)
            .await
            .map_err(query("forget a package"))?;
        transaction.commit().await.map_err(query("keep the deletion"))?;
        Ok(done.rows_affected() > 0)
    }
}

/// Writes a row as a whole.
async fn store(
    connection: &mut SqliteConnection,
    row: &Installed,
    script: Option<&StoredScript>,
) -> Result<(), StateError> {
    let params = script.map_or_else(|| "{}".to_owned(), |script| json(&script.params));
    sqlx::query(
        "INSERT INTO packages (package, version, section, package_uuid, status, in_place, failed_step, log, changed_at, \
         explicit_by, signer, signer_fingerprint, repository, tries, script_status, next_audit_at, control, setup_py, \
         params, uninstall_keys) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (package) DO UPDATE SET version = excluded.version, section = excluded.section, \
         package_uuid = excluded.package_uuid, status = excluded.status, in_place = excluded.in_place, \
         failed_step = excluded.failed_step, log = excluded.log, changed_at = excluded.changed_at, \
         explicit_by = excluded.explicit_by, signer = excluded.signer, signer_fingerprint = excluded.signer_fingerprint, \
         repository = excluded.repository, tries = excluded.tries, script_status = excluded.script_status, next_audit_at = excluded.next_audit_at, \
         control = excluded.control, setup_py = excluded.setup_py, params = excluded.params, \
         uninstall_keys = excluded.uninstall_keys",
    )
    .bind(row.control.package())
    .bind(row.control.version())
    .bind(row.control.section())
    .bind(row.control.get("package_uuid"))
    .bind(row.status.as_str())
    .bind(row.in_place)
    .bind(&row.failed_step)
    .bind(tail(&row.log))
    .bind(micros(row.changed_at))
    .bind(&row.explicit_by)
    .bind(&row.signer)
    .bind(&row.signer_fingerprint)
    .bind(&row.repository)
    .bind(row.tries)
    .bind(&row.script_status)
    .bind(row.next_audit_at.map(micros))
    .bind(json(&row.control))
    .bind(script.map(|script| script.setup_py.as_bytes().to_vec()))
    .bind(params)
    .bind(json(&row.uninstall_keys))
    .execute(connection)
    .await
    .map_err(query("write a package"))?;
    Ok(())
}

/// The end of a log, cut at a line where possible.
pub fn tail(log: &str) -> &str {
    if log.len() <= MAX_LOG_BYTES {
        return log;
    }
    let mut start = log.len() - MAX_LOG_BYTES;
    while !log.is_char_boundary(start) {
        start += 1;
    }
    let rest = &log[start..];
    match rest.find('\n') {
        Some(end) if end < 400 => &rest[end + 1..],
        _ => rest,
    }
}

fn installed(row: &SqliteRow) -> Result<Installed, StateError> {
    let inner = || -> Result<(Installed, String, String), sqlx::Error> {
        let status: String = row.try_get("status")?;
        let control: String = row.try_get("control")?;
        let keys: String = row.try_get("uninstall_keys")?;
        Ok((
            Installed {
                control: Control::new("", "", Section::Base),
                status: InstallStatus::from_script(&status),
                in_place: row.try_get("in_place")?,
                failed_step: row.try_get("failed_step")?,
                log: row.try_get("log")?,
                changed_at: timestamp(row.try_get("changed_at")?),
                explicit_by: row.try_get("explicit_by")?,
                signer: row.try_get("signer")?,
                signer_fingerprint: row.try_get("signer_fingerprint")?,
                repository: row.try_get("repository")?,
                tries: row.try_get("tries")?,
                script_status: row.try_get("script_status")?,
                audit_status: row.try_get("audit_status")?,
                audit_output: row.try_get("audit_output")?,
                audited_at: row.try_get::<Option<i64>, _>("audited_at")?.map(timestamp),
                next_audit_at: row.try_get::<Option<i64>, _>("next_audit_at")?.map(timestamp),
                has_setup: row.try_get("has_setup")?,
                uninstall_keys: Vec::new(),
            },
            control,
            keys,
        ))
    };
    let (mut found, control, keys) = inner().map_err(query("read a package"))?;
    found.control = from_json("the control of a package", &control)?;
    found.uninstall_keys = from_json("the uninstall keys of a package", &keys)?;
    Ok(found)
}

#[cfg(test)]
pub(crate) mod tests;
