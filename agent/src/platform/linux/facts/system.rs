//! The operating system: `os-release`, the kernel, the language, the last start.

use jiff::Timestamp;
use muster_shared::protocol::inventory::SystemDetails;

use super::text::read_limited;
use crate::inventory::facts::{FactError, System};

/// Name, version and kernel of the system.
///
/// # Errors
/// When there is no `os-release`.
pub fn read() -> Result<System, FactError> {
    let text = read_limited("/etc/os-release")
        .or_else(|_error| read_limited("/usr/lib/os-release"))
        .map_err(|source| FactError::Unreadable {
            what: "os-release",
            source,
        })?;
    let debian = read_limited("/etc/debian_version").unwrap_or_default();
    let (name, version) = release(&text, &debian);
    Ok(System {
        name,
        version,
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
    })
}

/// `("Debian 12", "12.4")`: the name as people say it and the most exact version.
fn release(text: &str, debian_version: &str) -> (String, String) {
    let value = |key: &str| {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            (name.trim() == key).then(|| value.trim().trim_matches(['"', '\'']).to_owned())
        })
    };
    let id = value("ID").unwrap_or_default();
    let version_id = value("VERSION_ID").unwrap_or_default();
    let name = value("NAME").unwrap_or_else(|| "Linux".to_owned());
    let short = name.trim_end_matches(" GNU/Linux").trim_end_matches(" Linux");
    let said = format!("{short} {version_id}").trim().to_owned();
    let exact = debian_version.trim();
    let is_number = exact.starts_with(|letter: char| letter.is_ascii_digit());
    let version = if id == "debian" && is_number {
        exact.to_owned()
    } else {
        version_id
    };
    (said, version)
}

/// The system's language, `en_GB.UTF-8` style, empty when none is set.
pub fn language() -> String {
    let value = |text: &str| {
        text.lines().find_map(|line| {
            let (name, value) = line.trim().split_once('=')?;
            (name == "LANG").then(|| value.trim_matches(['"', '\'']).to_owned())
        })
    };
    ["/etc/locale.conf", "/etc/default/locale"]
        .into_iter()
        .find_map(|path| read_limited(path).ok().as_deref().and_then(value))
        .or_else(|| std::env::var("LANG").ok())
        .unwrap_or_default()
}

/// When the machine was started.
pub fn booted_at() -> Option<Timestamp> {
    boot_time(&read_limited("/proc/stat").ok()?)
}

/// Changes with each start of the machine.
pub fn boot_stamp() -> Option<String> {
    read_limited("/proc/sys/kernel/random/boot_id").ok()
}

/// What else the system says about itself.
pub fn details() -> SystemDetails {
    SystemDetails {
        installed_at: installed_at(),
        ..SystemDetails::default()
    }
}

/// When the root file system was made, which is when a machine is installed; `None` where it does not keep that.
fn installed_at() -> Option<Timestamp> {
    let made = fs_err::metadata("/").ok()?.created().ok()?;
    // Images are made reproducibly, with the beginning of time as their date.
    Timestamp::try_from(made)
        .ok()
        .filter(|at| at.as_second() > 86_400)
}

fn boot_time(stat: &str) -> Option<Timestamp> {
    let seconds = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    Timestamp::from_second(seconds.trim().parse().ok()?).ok()
}

/// The directory domain that the machine is joined to: realmd/sssd's, else the name's own domain.
pub fn domain() -> String {
    let name = super::super::name::fqdn();
    name.split_once('.')
        .map_or_else(String::new, |(_host, domain)| domain.to_owned())
}

/// Organisational unit in the directory; empty where sssd does not tell.
pub fn organisational_unit() -> String {
    String::new()
}

/// Directory site; Linux machines have none.
pub fn site() -> String {
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_are_named_as_people_say_them() {
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n";
        assert_eq!(
            release(debian, "12.4\n"),
            ("Debian 12".to_owned(), "12.4".to_owned())
        );
        assert_eq!(release(debian, "trixie/sid\n").1, "12");
        let ubuntu = "NAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\nID=ubuntu\n";
        assert_eq!(
            release(ubuntu, "trixie/sid"),
            ("Ubuntu 24.04".to_owned(), "24.04".to_owned())
        );
        let rocky = "NAME=\"Rocky Linux\"\nVERSION_ID=\"9.3\"\nID=\"rocky\"\n";
        assert_eq!(release(rocky, "").0, "Rocky 9.3");
        let arch = "NAME=\"Arch Linux\"\nID=arch\n";
        assert_eq!(release(arch, ""), ("Arch".to_owned(), String::new()));
    }

    #[test]
    fn the_start_of_the_machine_is_read_from_proc_stat() {
        let stat = "cpu  1 2 3\nctxt 5\nbtime 1700000000\nprocesses 9\n";
        assert_eq!(boot_time(stat).unwrap().as_second(), 1_700_000_000);
        assert_eq!(boot_time("cpu 1"), None);
    }

    #[test]
    fn this_machine_has_an_operating_system() {
        let system = read().unwrap();
        assert!(!system.name.is_empty() && !system.kernel.is_empty());
    }
}
