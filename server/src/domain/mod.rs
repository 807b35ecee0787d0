//! The rules, with no SQL and no HTTP.

pub mod action;
pub mod host_filter;
pub mod identifier;
pub mod inventory;
pub mod package_upload;
pub mod registration;
