//! A day of an agent in minutes: a server that is well, dead, silent and flapping, over real sockets.
//!
//! The scheduler's time runs faster, nothing else does. The day is several rounds of the same weather; the first one
//! warms up, the others must cost no more memory, no busy loop, and no more tries than the policy allows.
#![expect(clippy::print_stdout, reason = "the figures of the long run")]

use std::ffi::OsStr;
use std::time::{Duration, Instant};

use muster_tests::{Agent, FaultProxy, Weather, World, eventually};

/// Agents that live through the day together.
const AGENTS: usize = 3;
const ROUNDS: u32 = 4;

/// Memory may grow by this much after the first round, in KiB. Counted is what the agent holds itself: pages of its
/// program come in as they are first needed, early in one run and late in the next.
const FLAT: u64 = 2 * 1024;

/// A connection that nobody answers is given up after this long, in real time.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(30);

/// What stands in the log of a live channel.
const OPEN: &str = "live channel open";
const FAILED: &str = "live channel not opened";
const LOST: &str = "live channel lost";

#[test]
fn two_hours_with_a_server_that_comes_and_goes() {
    // Two hours in 48 seconds.
    live_through(Duration::from_hours(2), 150);
}

#[test]
#[ignore = "twenty minutes: make test-full"]
fn full_a_day_with_a_server_that_comes_and_goes() {
    // A day in twenty minutes.
    live_through(Duration::from_hours(24), 72);
}

fn live_through(day: Duration, speed: u32) {
    let (world, proxy) = World::start_behind_proxy();
    world.publish(&world.sources("demo-app", "1").marker());
    let mut machines: Vec<Machine> = (1..=AGENTS)
        .map(|number| Machine::start(&world, &format!("pc-{number}"), speed))
        .collect();
    for machine in &machines {
        world.wait_for_status(&machine.agent.identifier, "OK");
    }
    let round = day / ROUNDS;
    let mut largest_at_first = vec![0; AGENTS];
    let before = proxy.tries();
    let began = Instant::now();
    for number in 0..ROUNDS {
        let mut largest = vec![0; AGENTS];
        for (weather, length) in weather_of(round) {
            proxy.set(weather);
            let until = Instant::now() + length / speed;
            while Instant::now() < until {
                for (machine, largest) in machines.iter_mut().zip(&mut largest) {
                    *largest = machine.own_kib().max(*largest);
                }
                std::thread::park_timeout(Duration::from_millis(200));
            }
        }
        if number == 0 {
            largest_at_first = largest;
            continue;
        }
        for (now, first) in largest.iter().zip(&largest_at_first) {
            assert!(
                *now <= first + FLAT,
                "memory grew in round {number}: {largest:?} after {largest_at_first:?}"
            );
        }
    }
    let real = began.elapsed();
    let lived = real * speed;
    let tries = proxy.tries() - before;
    proxy.set(Weather::Good);
    for machine in &mut machines {
        machine.check(lived, real, speed);
    }
    // Besides the channels: updates and reports, each a few connections, retried every ten minutes or later.
    let most = AGENTS as u64 * (most_tries(lived, changes(&proxy, round)) + 20 * (lived.as_secs() / 600 + 2));
    assert!(
        (tries as u64) < most,
        "{tries} connections in {lived:?}, at most {most}"
    );
    spread_by_chance(&mut machines, speed);
    for machine in &machines {
        eventually("the agent is connected again", || {
            world
                .host_row(&machine.agent.identifier)
                .filter(|row| row["reachable"] == true && row["status"] == "OK")
                .map(|_row| ())
                .ok_or_else(|| "away".into())
        });
    }
}

/// The weather of one round, and how long each lasts in the scheduler's time.
fn weather_of(round: Duration) -> Vec<(Weather, Duration)> {
    let mut weather = vec![
        (Weather::Good, round / 6),
        (Weather::Refuse, round / 4),
        (Weather::Good, round / 12),
        (Weather::Silent, round / 6),
    ];
    for _ in 0..4 {
        weather.push((Weather::Good, round / 24));
        weather.push((Weather::Refuse, round / 24));
    }
    weather
}

/// How often the weather changed.
fn changes(_proxy: &FaultProxy, round: Duration) -> u64 {
    weather_of(round).len() as u64 * u64::from(ROUNDS)
}

/// How often the policy lets one channel try at most: every half minute, and anew after each change.
fn most_tries(lived: Duration, changes: u64) -> u64 {
    lived.as_secs() / 30 + 2 * changes
}

/// The first tries after a loss of all agents, which lost it together, do not come together.
fn spread_by_chance(machines: &mut [Machine], speed: u32) {
    let mut waits: Vec<Duration> = Vec::new();
    for machine in machines {
        let lines = machine.channel_lines();
        for pair in lines.windows(2) {
            if pair[0].1 == LOST && pair[1].1 != LOST {
                let wait = pair[1].0.saturating_sub(pair[0].0);
                // A try that meets silence is given up, and said, so much later than it was begun.
                waits.push(wait.checked_sub(GIVEN_UP_AFTER).unwrap_or(wait) * speed);
            }
        }
    }
    waits.sort();
    assert!(waits.len() >= 10, "{waits:?}");
    let (first, last) = (waits[0], waits[waits.len() - 1]);
    assert!(last > first + Duration::from_secs(5), "all at once: {waits:?}");
    // Within twenty seconds, and what a busy test machine adds: three real seconds.
    let late = waits[waits.len() * 9 / 10];
    assert!(
        late < Duration::from_secs(20) + Duration::from_secs(3) * speed,
        "{waits:?}"
    );
}

struct Machine {
    agent: Agent,
    /// Hundredths of a second of processor time when the day began.
    used_before: u64,
}

impl Machine {
    fn start(world: &World, name: &str, speed: u32) -> Self {
        let mut agent = world.enrol(name);
        world
            .muster(&["host", "edit", name, "--require", "demo-app"], "")
            .ok();
        agent.configure("waptupgrade_task_period = \"1h\"");
        let log = OsStr::new("info,sqlx=warn,muster_agent::link=debug");
        agent.start_with(&["--clock-speed", &speed.to_string()], &[("MUSTER_LOG", log)]);
        eventually("the first scheduled upgrade", || {
            agent
                .marker("demo-app")
                .map(|_version| ())
                .ok_or_else(|| "not yet".into())
        });
        let mut machine = Self {
            agent,
            used_before: 0,
        };
        machine.used_before = machine.used();
        machine
    }

    fn process(&mut self, file: &str) -> String {
        let id = self.agent.service().pid();
        fs_err::read_to_string(format!("/proc/{id}/{file}")).expect("the agent runs")
    }

    fn own_kib(&mut self) -> u64 {
        let text = self.process("status");
        let line = text.lines().find(|line| line.starts_with("RssAnon:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number
            .and_then(|number| number.parse().ok())
            .unwrap_or_else(|| panic!("the agent ended: {}", self.agent.service().log()))
    }

    /// Hundredths of a second of processor time.
    fn used(&mut self) -> u64 {
        let text = self.process("stat");
        let fields: Vec<&str> = text
            .rsplit_once(')')
            .map(|(_name, rest)| rest.split_whitespace().collect())
            .unwrap_or_default();
        let field = |place: usize| fields.get(place).and_then(|field| field.parse::<u64>().ok());
        field(11)
            .zip(field(12))
            .map(|(user, system)| user + system)
            .expect("times")
    }

    /// What its channel went through: when, and which of the three words.
    fn channel_lines(&mut self) -> Vec<(Duration, &'static str)> {
        let log = self.agent.service().log();
        log.lines()
            .filter_map(|line| {
                let at: jiff::Timestamp = line.split_whitespace().next()?.parse().ok()?;
                let word = [OPEN, FAILED, LOST]
                    .into_iter()
                    .find(|word| line.contains(word))?;
                Some((Duration::from_micros(at.as_microsecond().unsigned_abs()), word))
            })
            .collect()
    }

    fn check(&mut self, lived: Duration, real: Duration, speed: u32) {
        let lines = self.channel_lines();
        let tries = lines.iter().filter(|(_at, word)| *word != LOST).count() as u64;
        let changes = weather_of(Duration::ZERO).len() as u64 * u64::from(ROUNDS);
        assert!(tries <= most_tries(lived, changes), "{tries} tries in {lived:?}");
        assert!(tries >= changes / 4, "{tries} tries are too few to be true");
        // The same work as in the long day, only faster; a busy loop would use all of it.
        let used = self.used() - self.used_before;
        let name = &self.agent.identifier;
        println!("{name}: {tries} tries, {used} hundredths of a second of {real:?} at {speed} times");
        assert!(
            used < real.as_millis() as u64 / 10 / 3,
            "{used} hundredths of a second in {real:?}"
        );
    }
}
