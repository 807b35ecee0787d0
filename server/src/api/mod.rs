//! The routes, one topic a file: a handler extracts, authorises, calls the domain, answers.

pub mod actions;
pub mod events;
pub mod health;
pub mod host_packages;
pub mod hosts;
pub mod live;
pub mod openapi;
pub mod packages;
pub mod paging;
pub mod register;
pub mod report;
pub mod repository;
pub mod session;
pub mod tokens;
pub mod unregister;
pub mod windows_updates;
