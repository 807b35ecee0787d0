//! Whether the machine runs on its battery, from `/sys/class/power_supply`.

use std::path::Path;

/// The machine has a battery and nothing else feeds it. What cannot be found out counts as mains.
pub fn on_battery() -> bool {
    from(Path::new("/sys/class/power_supply"))
}

fn from(folder: &Path) -> bool {
    let word = |supply: &Path, name: &str| {
        fs_err::read_to_string(supply.join(name))
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    };
    let Ok(entries) = fs_err::read_dir(folder) else {
        return false;
    };
    let mut discharging = false;
    for supply in entries.flatten().map(|entry| entry.path()) {
        // The battery of a mouse says nothing about the machine.
        if word(&supply, "scope") == "Device" {
            continue;
        }
        match word(&supply, "type").as_str() {
            "Battery" => discharging |= word(&supply, "status") == "Discharging",
            // Mains, USB, wireless: whatever is plugged in.
            "" | "UPS" => {}
            _ if word(&supply, "online") == "1" => return false,
            _ => {}
        }
    }
    discharging
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(supplies: &[(&str, &[(&str, &str)])]) -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        for (name, files) in supplies {
            let folder = place.path().join(name);
            fs_err::create_dir(&folder).unwrap();
            for (file, text) in *files {
                fs_err::write(folder.join(file), format!("{text}\n")).unwrap();
            }
        }
        place
    }

    #[test]
    fn a_laptop_is_on_battery_only_when_it_drains_and_nothing_is_plugged_in() {
        let battery = |status| {
            (
                "BAT0",
                [("type", "Battery"), ("scope", "System"), ("status", status)],
            )
        };
        let mouse = [
            ("type", "Battery"),
            ("scope", "Device"),
            ("status", "Discharging"),
        ];
        let mains = |online| ("AC", [("type", "Mains"), ("online", online)]);
        for (status, online, expected) in [
            ("Discharging", "0", true),
            ("Discharging", "1", false),
            ("Charging", "1", false),
            ("Full", "0", false),
        ] {
            let (bat, ac) = (battery(status), mains(online));
            let place = machine(&[(bat.0, &bat.1), (ac.0, &ac.1), ("hid", &mouse)]);
            assert_eq!(from(place.path()), expected, "{status} {online}");
        }
    }

    #[test]
    fn a_machine_without_a_battery_is_on_mains() {
        let mouse: &[(&str, &str)] = &[
            ("type", "Battery"),
            ("scope", "Device"),
            ("status", "Discharging"),
        ];
        assert!(!from(machine(&[("hid", mouse)]).path()));
        assert!(!from(machine(&[]).path()));
        assert!(!from(Path::new("/no/such/folder")));
    }
}
