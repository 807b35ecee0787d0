//! When the agent works by itself: periods, maintenance windows, what scheduled upgrades leave alone.

use std::time::Duration;

use jiff::civil::{Time, Weekday};
use muster_shared::request::split_list;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ConfigError, ConfigFile, Topic};
use crate::schedule::{Window, Windows};

/// Maintenance windows are few.
const MAX_WINDOWS: usize = 50;

/// How long pre-shutdown work may take unless the file says otherwise.
const PRE_SHUTDOWN: Duration = Duration::from_mins(15);
/// The longest time for which anybody waits for a machine to go down.
const LONGEST_PRE_SHUTDOWN: Duration = Duration::from_hours(12);

/// What the agent does by itself, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// A scheduled update downloads what the next upgrade needs.
    pub download_ahead: bool,
    /// How often everything is upgraded by itself; `None` leaves upgrades to orders and people.
    pub upgrade_every: Option<Duration>,
    /// How often packages without a schedule of their own are audited; `None` never.
    pub audit_every: Option<Duration>,
    /// When scheduled upgrades and audits may begin.
    pub maintenance: Windows,
    /// Only packages of these priorities are upgraded by itself; empty means all.
    pub upgrade_priorities: Vec<String>,
    /// Whether packages whose program runs are left alone. Unless it is said, periodic upgrades leave them alone
    /// and the upgrade at shutdown does not.
    only_if_not_running: Option<bool>,
    /// Periodic upgrades also begin while something is shown on the full screen.
    pub upgrade_during_presentation: bool,
    /// What waits to be upgraded is upgraded when the machine goes down.
    pub upgrade_at_shutdown: bool,
    /// How long the upgrade at shutdown may hold the machine back.
    pub pre_shutdown_timeout: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            download_ahead: true,
            upgrade_every: None,
            audit_every: None,
            maintenance: Windows::default(),
            upgrade_priorities: Vec::new(),
            only_if_not_running: None,
            upgrade_during_presentation: true,
            upgrade_at_shutdown: false,
            pre_shutdown_timeout: PRE_SHUTDOWN,
        }
    }
}

impl Schedule {
    /// Periodic upgrades leave packages alone whose program runs.
    pub fn spares_running_programs(&self) -> bool {
        self.only_if_not_running.unwrap_or(true)
    }

    /// The same for the upgrade at shutdown, when programs are about to end anyway.
    pub fn spares_running_programs_at_shutdown(&self) -> bool {
        self.only_if_not_running.unwrap_or(false)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Keys {
    download_after_update_with_waptupdate_task_period: Option<bool>,
    waptupgrade_task_period: Option<String>,
    waptaudit_task_period: Option<String>,
    maintenance: Vec<WindowKeys>,
    upgrade_priorities: Option<List>,
    upgrade_only_if_not_process_running: Option<bool>,
    upgrade_during_presentation: Option<bool>,
    upgrade_at_shutdown: bool,
    pre_shutdown_timeout: Option<String>,
}

/// A list, or the same in one text with commas, as WAPT has it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum List {
    Items(Vec<String>),
    Text(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WindowKeys {
    /// Every day unless some are named.
    #[serde(default)]
    days: Vec<String>,
    from: String,
    to: String,
}

impl Topic for Schedule {
    const KEYS: &'static [&'static str] = &[
        "download_after_update_with_waptupdate_task_period",
        "waptupgrade_task_period",
        "waptaudit_task_period",
        "maintenance",
        "upgrade_priorities",
        "upgrade_only_if_not_process_running",
        "upgrade_during_presentation",
        "upgrade_at_shutdown",
        "pre_shutdown_timeout",
    ];

    fn read(keys: toml::Table, file: &ConfigFile<'_>) -> Result<Self, ConfigError> {
        let keys: Keys = file.keys(keys)?;
        let default = Self::default();
        // As with WAPT an empty period switches the work off.
        let period = |key, text: Option<String>| match text.as_deref().map(str::trim) {
            None | Some("") => Ok(None),
            Some(text) => file.period(key, text).map(Some),
        };
        if keys.maintenance.len() > MAX_WINDOWS {
            let count = keys.maintenance.len().to_string();
            return Err(file.bad("maintenance", &count, "must be at most 50 windows"));
        }
        let windows = keys
            .maintenance
            .iter()
            .map(|window| read_window(window, file))
            .collect::<Result<Vec<_>, _>>()?;
        let priorities = match keys.upgrade_priorities {
            None => Vec::new(),
            Some(List::Items(items)) => items,
            Some(List::Text(text)) => split_list(&text).map(str::to_owned).collect(),
        };
        let limit = period("pre_shutdown_timeout", keys.pre_shutdown_timeout)?;
        Ok(Self {
            download_ahead: keys
                .download_after_update_with_waptupdate_task_period
                .unwrap_or(default.download_ahead),
            upgrade_every: period("waptupgrade_task_period", keys.waptupgrade_task_period)?,
            audit_every: period("waptaudit_task_period", keys.waptaudit_task_period)?,
            maintenance: Windows(windows),
            upgrade_priorities: priorities,
            only_if_not_running: keys.upgrade_only_if_not_process_running,
            upgrade_during_presentation: keys
                .upgrade_during_presentation
                .unwrap_or(default.upgrade_during_presentation),
            upgrade_at_shutdown: keys.upgrade_at_shutdown,
            pre_shutdown_timeout: limit
                .unwrap_or(default.pre_shutdown_timeout)
                .min(LONGEST_PRE_SHUTDOWN),
        })
    }

    fn shown(&self) -> Vec<(&'static str, Value)> {
        let period = |period: Option<Duration>| period.map(|period| format!("{}s", period.as_secs()));
        let windows: Vec<Value> = self.maintenance.0.iter().map(shown_window).collect();
        vec![
            (
                "download_after_update_with_waptupdate_task_period",
                json!(self.download_ahead),
            ),
            ("waptupgrade_task_period", json!(period(self.upgrade_every))),
            ("waptaudit_task_period", json!(period(self.audit_every))),
            ("maintenance", json!(windows)),
            ("upgrade_priorities", json!(self.upgrade_priorities)),
            (
                "upgrade_only_if_not_process_running",
                json!(self.only_if_not_running),
            ),
            (
                "upgrade_during_presentation",
                json!(self.upgrade_during_presentation),
            ),
            ("upgrade_at_shutdown", json!(self.upgrade_at_shutdown)),
            (
                "pre_shutdown_timeout",
                json!(period(Some(self.pre_shutdown_timeout))),
            ),
        ]
    }
}

fn read_window(keys: &WindowKeys, file: &ConfigFile<'_>) -> Result<Window, ConfigError> {
    let time = |text: &str| {
        read_time(text).ok_or_else(|| file.bad("maintenance", text, "must be a time such as 22:00"))
    };
    let mut days = Vec::new();
    for word in &keys.days {
        days.extend(read_days(word).ok_or_else(|| {
            file.bad(
                "maintenance",
                word,
                "must be a day such as mon, or days such as mon-fri",
            )
        })?);
    }
    if days.is_empty() {
        days = week_from(Weekday::Monday).collect();
    }
    days.sort_by_key(|day| day.to_monday_one_offset());
    days.dedup();
    Ok(Window {
        days,
        from: time(&keys.from)?,
        to: time(&keys.to)?,
    })
}

/// `22:00`, `7:30`, and `24:00` for midnight.
fn read_time(text: &str) -> Option<Time> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |text: &str| {
        let is_number = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<i8>().ok()).flatten()
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    if (hour, minute) == (24, 0) {
        return Some(Time::midnight());
    }
    Time::new(hour, minute, 0, 0).ok()
}

/// `mon`, `Monday`, `mon-fri`, `sat..sun`.
fn read_days(text: &str) -> Option<Vec<Weekday>> {
    let span = text.split_once("..").or_else(|| text.split_once('-'));
    let Some((first, last)) = span else {
        return Some(vec![read_day(text)?]);
    };
    let (first, last) = (read_day(first)?, read_day(last)?);
    let mut days: Vec<Weekday> = week_from(first).take_while(|day| *day != last).collect();
    days.push(last);
    Some(days)
}

fn read_day(text: &str) -> Option<Weekday> {
    let word = text.trim().to_ascii_lowercase();
    week_from(Weekday::Monday)
        .find(|day| word == short(*day) || word == format!("{day:?}").to_ascii_lowercase())
}

/// The seven days from one on.
fn week_from(first: Weekday) -> impl Iterator<Item = Weekday> {
    std::iter::successors(Some(first), |day| Some(day.next())).take(7)
}

fn short(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "mon",
        Weekday::Tuesday => "tue",
        Weekday::Wednesday => "wed",
        Weekday::Thursday => "thu",
        Weekday::Friday => "fri",
        Weekday::Saturday => "sat",
        Weekday::Sunday => "sun",
    }
}

fn shown_window(window: &Window) -> Value {
    let days: Vec<_> = window.days.iter().map(|day| short(*day)).collect();
    let time = |time: Time| format!("{:02}:{:02}", time.hour(), time.minute());
    json!({ "days": days, "from": time(window.from), "to": time(window.to) })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Config;
    use super::*;

    fn read(text: &str) -> Result<Schedule, ConfigError> {
        Config::parse(text, Path::new("agent.toml")).map(|config| config.schedule)
    }

    #[test]
    fn windows_are_read_as_people_write_them() {
        let schedule = read(
            "[[maintenance]]\ndays = [\"mon-thu\", \"Sunday\"]\nfrom = \"22:00\"\nto = \"5:30\"\n\
             [[maintenance]]\nfrom = \"0:00\"\nto = \"24:00\"\n",
        )
        .unwrap();
        let shown = &schedule.shown()[3].1;
        assert_eq!(
            shown[0],
            json!({ "days": ["mon", "tue", "wed", "thu", "sun"], "from": "22:00", "to": "05:30" })
        );
        assert_eq!(shown[1]["days"].as_array().unwrap().len(), 7);
        let over_the_weekend = read_days("sat..mon").unwrap();
        assert_eq!(
            over_the_weekend,
            [Weekday::Saturday, Weekday::Sunday, Weekday::Monday]
        );
    }

    #[test]
    fn values_that_break_a_rule_name_the_key() {
        for (text, key) in [
            ("waptupgrade_task_period = \"soon\"", "waptupgrade_task_period"),
            ("[[maintenance]]\nfrom = \"25:00\"\nto = \"5:00\"", "maintenance"),
            (
                "[[maintenance]]\ndays = [\"noday\"]\nfrom = \"2:00\"\nto = \"5:00\"",
                "maintenance",
            ),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(key), "{text}: {error}");
        }
        assert!(read("[[maintenance]]\nfrom = \"2:00\"").is_err());
    }

    #[test]
    fn upgrades_come_only_when_somebody_asks_for_them() {
        let schedule = read("").unwrap();
        assert_eq!(schedule, Schedule::default());
        assert_eq!(schedule.upgrade_every, None);
        assert!(schedule.spares_running_programs() && !schedule.spares_running_programs_at_shutdown());
        let schedule = read(
            "waptupgrade_task_period = \"1d\"\nwaptaudit_task_period = \"\"\nupgrade_priorities = \"critical, high\"",
        )
        .unwrap();
        assert_eq!(schedule.upgrade_every, Some(Duration::from_hours(24)));
        assert_eq!(schedule.audit_every, None);
        assert_eq!(schedule.upgrade_priorities, ["critical", "high"]);
    }
}
