//! Hosts as the filter language sees them.

use muster_shared::filter::{Field, Filter, Row, Subject, Term, Value, host_row_value};
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::host::HostRow;

use crate::error::ApiError;

/// A host's row with the reported blocks that a filter asks about.
#[derive(Debug)]
pub struct FilterableHost<'a> {
    pub row: &'a HostRow,
    pub host: Option<serde_json::Value>,
    pub hardware: Option<serde_json::Value>,
    pub software: Option<serde_json::Value>,
    /// Names and versions.
    pub packages: &'a [(String, String)],
}

/// What must be read beside the row to answer a filter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    pub host: bool,
    pub hardware: bool,
    pub software: bool,
    pub packages: bool,
}

/// Reads a filter over hosts.
///
/// # Errors
/// `filter_invalid` with the place and what to write.
pub fn parse(text: &str) -> Result<Filter, ApiError> {
    let filter = Filter::parse(text)
        .map_err(|error| ApiError::new(ErrorCode::FilterInvalid, muster_shared::hint::chain(&error)))?;
    if let Some(field) = filter
        .terms()
        .into_iter()
        .filter_map(field_of)
        .find(|field| !field.subjects.contains(&Subject::Host))
    {
        return Err(ApiError::new(
            ErrorCode::FilterInvalid,
            format!("hosts have no field {}", field.name),
        ));
    }
    Ok(filter)
}

/// What a filter asks about beside the row.
pub fn needs(filter: &Filter) -> Needs {
    let mut needs = Needs::default();
    for field in filter.terms().into_iter().filter_map(field_of) {
        match field.name {
            "site" | "domain" => needs.host = true,
            "memory" | "disk_free" => needs.hardware = true,
            "software" => needs.software = true,
            "package" => needs.packages = true,
            _ => {}
        }
    }
    needs
}

impl Row for FilterableHost<'_> {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        Some(match name {
            "site" | "domain" => text_at(self.host.as_ref()?, name)?.into(),
            "memory" => Value::Number(self.hardware.as_ref()?.get("memory_bytes")?.as_i64()?),
            "disk_free" => Value::Number(system_disk_free(self.hardware.as_ref()?)?),
            "package" => Value::Named(
                self.packages
                    .iter()
                    .map(|(name, version)| (name.as_str().into(), version.as_str().into()))
                    .collect(),
            ),
            "software" => Value::Named(
                self.software
                    .as_ref()?
                    .as_array()?
                    .iter()
                    .filter_map(|one| Some((text_at(one, "name")?.into(), text_at(one, "version")?.into())))
                    .collect(),
            ),
            other => host_row_value(self.row, other)?,
        })
    }

    fn any_text(&self, needle_lower: &str) -> bool {
        let row = self.row;
        [
            &row.name,
            &row.identifier,
            &row.description,
            &row.os,
            &row.os_version,
            &row.address,
            &row.mac,
            &row.ou,
            &row.manufacturer,
            &row.model,
            &row.serial,
        ]
        .into_iter()
        .chain(&row.groups)
        .chain(&row.users)
        .any(|text| text.to_lowercase().contains(needle_lower))
            || row.status.as_str().to_lowercase().contains(needle_lower)
    }
}

fn field_of(term: &Term) -> Option<&'static Field> {
    match term {
        Term::Compare { field, .. } | Term::Named { field, .. } => Some(field),
        Term::AnyText(_) => None,
    }
}

fn text_at<'a>(value: &'a serde_json::Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

/// Free bytes of the system disk: `C:` or `/`, else the first one.
fn system_disk_free(hardware: &serde_json::Value) -> Option<i64> {
    let disks = hardware.get("disks")?.as_array()?;
    let system = disks
        .iter()
        .find(|disk| text_at(disk, "name").is_some_and(|name| name == "/" || name.starts_with("C:")))
        .or_else(|| disks.first())?;
    system.get("free_gib")?.as_i64()?.checked_mul(1 << 30)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_hosts_do_not_have_is_refused_by_name() {
        let error = parse("signed>1w").unwrap_err();
        assert_eq!(error.code(), ErrorCode::FilterInvalid);
        assert!(error.body().message.contains("signed"));
        assert!(parse("status:error os:windows last_seen>7d not reachable").is_ok());
    }

    #[test]
    fn only_what_a_filter_asks_about_is_read() {
        assert_eq!(needs(&parse("status:error").unwrap()), Needs::default());
        let needs = needs(&parse("software:\"7-zip\"<24 (memory<8G or package:x)").unwrap());
        assert_eq!(
            needs,
            Needs {
                hardware: true,
                software: true,
                packages: true,
                host: false
            }
        );
    }
}
