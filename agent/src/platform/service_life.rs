//! The life of the agent as a Windows service: what its manager asks, and what it is told. Pure, so that every order of
//! events can be tried on any system; `windows/service` carries it out.
//!
//! The manager gives up a service that ends without a new sign of life, restarts one that ended with a code, and takes
//! nothing back: a service that said that it ended has ended.

use std::time::Duration;

use super::Asked;

/// The manager waits so long for the next sign of life of a service that ends.
pub const NEXT_SIGN_WITHIN: Duration = Duration::from_secs(30);

/// What the manager may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Only how things stand.
    Interrogate,
    Stop,
    /// The machine goes down now; services that asked for the earlier word have had it.
    Shutdown,
    /// The machine is about to go down and waits.
    Preshutdown,
    /// Anything else.
    Other,
}

/// How far the service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Running,
    Ending,
    Ended,
}

/// What the manager is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    pub phase: Phase,
    /// It may be asked to stop, and wants to hear before the machine goes down.
    pub takes_controls: bool,
    /// Grows with each sign of life of a service that ends, else 0.
    pub checkpoint: u32,
    /// When the next sign of life is to be expected.
    pub wait_hint: Duration,
    /// 0 for an end as it was asked for; anything else has the manager start the service again.
    pub exit_code: u32,
}

/// The answer to a control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The control is one that this service knows.
    pub is_known: bool,
    /// What the agent is to be asked.
    pub asked: Option<Asked>,
    /// What the manager is told at once.
    pub told: Option<Told>,
}

/// The life itself.
#[derive(Debug)]
pub struct Life {
    phase: Phase,
    checkpoint: u32,
}

impl Default for Life {
    fn default() -> Self {
        Self::new()
    }
}

impl Life {
    /// A service that has just begun.
    pub const fn new() -> Self {
        Self {
            phase: Phase::Running,
            checkpoint: 0,
        }
    }

    /// What the manager is told first.
    pub fn begun(&self) -> Told {
        Told {
            phase: self.phase,
            takes_controls: true,
            checkpoint: 0,
            wait_hint: Duration::ZERO,
            exit_code: 0,
        }
    }

    /// The manager asks.
    pub fn control(&mut self, control: Control) -> Answer {
        let asked = match control {
            Control::Interrogate => None,
            Control::Stop | Control::Shutdown => Some(Asked::Stop),
            Control::Preshutdown => Some(Asked::GoingDown),
            Control::Other => {
                return Answer {
                    is_known: false,
                    asked: None,
                    told: None,
                };
            }
        };
        let told = match asked {
            Some(_) if self.phase != Phase::Ended => {
                self.phase = Phase::Ending;
                self.sign_of_life()
            }
            _ => None,
        };
        Answer {
            is_known: true,
            asked: asked.filter(|_asked| self.phase != Phase::Ended),
            told,
        }
    }

    /// The agent still works on its end; nothing is to be told of one that runs or is gone.
    pub fn sign_of_life(&mut self) -> Option<Told> {
        if self.phase != Phase::Ending {
            return None;
        }
        self.checkpoint = self.checkpoint.wrapping_add(1).max(1);
        Some(Told {
            phase: Phase::Ending,
            takes_controls: false,
            checkpoint: self.checkpoint,
            wait_hint: NEXT_SIGN_WITHIN,
            exit_code: 0,
        })
    }

    /// The agent's work is over.
    pub fn ended(&mut self, code: i32) -> Told {
        self.phase = Phase::Ended;
        Told {
            phase: Phase::Ended,
            takes_controls: false,
            checkpoint: 0,
            wait_hint: Duration::ZERO,
            exit_code: code.unsigned_abs(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_stop_is_passed_on_and_told_at_once() {
        let mut life = Life::default();
        assert!(life.begun().takes_controls);
        assert_eq!(life.sign_of_life(), None, "a service that runs says nothing");
        let answer = life.control(Control::Stop);
        assert_eq!(answer.asked, Some(Asked::Stop));
        let told = answer.told.unwrap();
        assert_eq!((told.phase, told.checkpoint), (Phase::Ending, 1));
        assert_eq!(life.sign_of_life().unwrap().checkpoint, 2);
        assert_eq!(life.ended(0).exit_code, 0);
    }

    #[test]
    fn the_machines_end_comes_in_two_words_and_a_stop_in_between_counts() {
        let mut life = Life::default();
        assert_eq!(life.control(Control::Preshutdown).asked, Some(Asked::GoingDown));
        assert_eq!(life.control(Control::Shutdown).asked, Some(Asked::Stop));
    }

    #[test]
    fn a_question_changes_nothing_and_an_unknown_control_is_refused() {
        let mut life = Life::default();
        let answer = life.control(Control::Interrogate);
        assert_eq!((answer.is_known, answer.asked, answer.told), (true, None, None));
        assert!(!life.control(Control::Other).is_known);
        assert_eq!(life.sign_of_life(), None);
    }

    #[test]
    fn a_failure_has_a_code_so_that_the_manager_begins_again() {
        assert_eq!(Life::default().ended(1).exit_code, 1);
        assert_eq!(Life::default().ended(-3).exit_code, 3);
    }

    #[derive(Debug, Clone, Copy)]
    enum Event {
        Control(Control),
        Sign,
        End(i32),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            prop_oneof![
                Just(Control::Interrogate),
                Just(Control::Stop),
                Just(Control::Shutdown),
                Just(Control::Preshutdown),
                Just(Control::Other),
            ]
            .prop_map(Event::Control),
            Just(Event::Sign),
            any::<i32>().prop_map(Event::End),
        ]
    }

    proptest! {
        /// Handler, heartbeat and end come from three threads in any order, and the service may end at any moment.
        #[test]
        fn in_every_order_signs_grow_and_nothing_follows_the_end(events in prop::collection::vec(event(), 0..40)) {
            let mut life = Life::default();
            let mut last = 0;
            let (mut was_asked, mut has_ended) = (false, false);
            for event in events {
                let told = match event {
                    Event::Control(control) => {
                        let answer = life.control(control);
                        prop_assert!(!(has_ended && answer.asked.is_some()));
                        was_asked |= answer.asked.is_some();
                        answer.told
                    }
                    Event::Sign => life.sign_of_life(),
                    Event::End(code) => {
                        has_ended = true;
                        prop_assert_eq!(life.ended(code).exit_code, code.unsigned_abs());
                        None
                    }
                };
                if let Some(told) = told {
                    prop_assert!(was_asked && !has_ended);
                    prop_assert!(told.checkpoint > last);
                    prop_assert!(!told.takes_controls);
                    last = told.checkpoint;
                }
            }
        }
    }
}
