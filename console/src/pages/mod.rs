//! The pages and dialogs of the window. They read the model through [`crate::view::View`] and send commands.

pub mod activity;
pub mod detail;
pub mod dialogs;
pub mod frame;
pub mod hosts;
pub mod packages;
pub mod sign_in;
pub mod states;
