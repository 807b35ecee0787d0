//! What the Muster window and the `muster` command line share, and both of them.
//!
//! `client` speaks to a server, `admin` holds the operations (build, sign, upload, edit a host, order an
//! action), `settings` is what a person keeps between two runs. `cli` is thin over these. The window is `app`:
//! it draws `pages` made of `ui` over the model in `state`, and asks `worker`, which asks the server.
#![forbid(unsafe_code)]

pub mod action;
pub mod admin;
pub mod app;
pub mod cli;
pub mod client;
pub mod command;
pub mod pages;
pub mod remote;
pub mod settings;
pub mod state;
pub mod ui;
pub mod view;
pub mod worker;
