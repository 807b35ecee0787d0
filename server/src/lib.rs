//! The Muster server: repository, inventory and relay over one embedded database.
//!
//! [`application::Application`] builds and runs it; [`cli`] is the command line around it.
#![forbid(unsafe_code)]

pub mod api;
pub mod application;
pub mod auth;
pub mod authority;
pub mod cli;
pub mod config;
pub mod domain;
pub mod error;
pub mod events;
pub mod http;
pub mod jobs;
pub mod layout;
pub mod output;
pub mod relay;
pub mod repository;
pub mod router;
pub mod state;
pub mod store;
pub mod trust;
