//! rpm's database through its own command.

use std::time::Duration;

use muster_shared::protocol::inventory::Software;

use crate::inventory::facts::FactError;
use crate::platform::ask;

/// Where distributions keep the database; its time tells whether it changed.
pub(super) const DATABASES: [&str; 4] = [
    "/var/lib/rpm/rpmdb.sqlite",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/var/lib/rpm/Packages.db",
    "/var/lib/rpm/Packages",
];

const FORMAT: &str =
    "%{NAME}\\t%{EPOCHNUM}\\t%{VERSION}-%{RELEASE}\\t%{ARCH}\\t%{VENDOR}\\t%{INSTALLTIME}\\t%{SUMMARY}\\n";

pub(super) async fn read() -> Result<Vec<Software>, FactError> {
    let output = ask(
        "rpm",
        &["-qa", "--queryformat", FORMAT],
        Duration::from_mins(1),
        64 * 1024 * 1024,
    )
    .await
    .map_err(|error| FactError::Refused {
        what: "rpm",
        reason: muster_shared::hint::chain(&error),
    })?;
    Ok(parse(&String::from_utf8_lossy(&output)))
}

fn parse(text: &str) -> Vec<Software> {
    text.lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.splitn(7, '\t').collect();
            let [name, epoch, version, architecture, vendor, installed, summary] = fields.as_slice() else {
                return None;
            };
            // Keys of the distribution are rows too, of no use here.
            if *name == "gpg-pubkey" {
                return None;
            }
            let day = installed
                .parse()
                .ok()
                .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
                .map(|at| jiff::tz::Offset::UTC.to_datetime(at).date().to_string());
            Some(Software {
                key: format!("{name}.{architecture}"),
                name: (*summary).to_owned(),
                version: if *epoch == "0" {
                    (*version).to_owned()
                } else {
                    format!("{epoch}:{version}")
                },
                publisher: if *vendor == "(none)" {
                    String::new()
                } else {
                    (*vendor).to_owned()
                },
                installed_on: day.unwrap_or_default(),
                ..Software::default()
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_rpm_become_software_and_keys_are_left_out() {
        let list = parse(
            "bash\t0\t5.1.8-6.el9\tx86_64\tRocky Enterprise Software Foundation\t1700000000\tThe GNU Bourne Again shell\n\
             gpg-pubkey\t0\t1-2\t(none)\t(none)\t1700000000\tkey\n\
             openssl\t1\t3.0.7-24.el9\tx86_64\t(none)\tnever\tTLS\ncut\n",
        );
        assert_eq!(list.len(), 2);
        assert_eq!(list[0].key, "bash.x86_64");
        assert_eq!(list[0].installed_on, "2023-11-14");
        assert_eq!(list[1].version, "1:3.0.7-24.el9");
        assert_eq!(list[1].publisher, "");
    }
}
