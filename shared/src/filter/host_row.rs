//! What the row of a host holds in a field: the same for the window, which filters rows that it holds, and the
//! server.

use std::borrow::Cow;

use super::Value;
use crate::protocol::host::HostRow;

/// The value of a field that the row itself holds; `None` for fields of the inventory behind it.
pub fn host_row_value<'a>(row: &'a HostRow, field: &str) -> Option<Value<'a>> {
    let texts =
        |list: &'a [String]| -> Vec<Cow<'a, str>> { list.iter().map(|text| text.as_str().into()).collect() };
    Some(match field {
        "name" => row.name.as_str().into(),
        "id" => row.identifier.as_str().into(),
        "status" if row.pending_registration => {
            Value::Texts(vec![row.status.as_str().into(), "PENDING".into()])
        }
        "status" => row.status.as_str().into(),
        "description" => row.description.as_str().into(),
        "reachable" => Value::Flag(row.reachable),
        "pending" => Value::Flag(row.pending_registration),
        "last_seen" => Value::Time(row.last_seen),
        "registered" => Value::Time(row.first_seen),
        "os" => row.os.as_str().into(),
        "os_version" => row.os_version.as_str().into(),
        "architecture" => row.architecture.as_str().into(),
        "agent_version" => row.agent_version.as_str().into(),
        "group" => Value::Texts(texts(&row.groups)),
        "ou" => row.ou.as_str().into(),
        "user" => Value::Texts(texts(&row.users)),
        "ip" => row.address.as_str().into(),
        "mac" => row.mac.as_str().into(),
        "manufacturer" => row.manufacturer.as_str().into(),
        "model" => row.model.as_str().into(),
        "serial" => row.serial.as_str().into(),
        _ => return None,
    })
}
