//! Becoming another build of the agent, and going back when that one does not live.
//!
//! A package, or an administrator, hands over a program or an installer. It is *staged* in a private folder beside
//! a copy of the present program, and tried out there on a copy of the database (`check`). Then the *watchdog*, a
//! second process that runs the copy of the old program, *switches*: the program is replaced in one rename (or the
//! installer runs) and the service is started again. The new one must *prove itself alive* within a time; else the
//! watchdog puts the old program, and where it has to the old database, back, and says why.
//!
//! What is under way stands in one file, the order, so that a reset at any moment leaves a machine that goes on by
//! itself: the next start of either program finds the order and sees to it that somebody watches.

mod alive;
mod check;
mod error;
mod handover;
mod order;
mod stage;
mod switch;
mod try_out;
mod watch;

pub use self::alive::{at_start, note_failure, prove};
pub use self::check::{SelfTest, check};
pub use self::error::UpgradeError;
pub use self::handover::{after_install, start_waiting};
pub use self::order::{Order, PATIENCE, Payload, Phase, Place};
pub use self::stage::{Request, stage};
pub use self::watch::{guard, start_watchdog, watch};
