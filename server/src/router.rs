//! The one list of routes.

use actix_web::web;

use crate::api;

/// Mounts every route; tests mount the same ones.
pub fn routes(cfg: &mut web::ServiceConfig) {
    api::session::routes(cfg);
    api::hosts::routes(cfg);
    api::actions::routes(cfg);
    api::events::routes(cfg);
    api::tokens::routes(cfg);
    api::register::routes(cfg);
    api::report::routes(cfg);
    api::unregister::routes(cfg);
    api::live::routes(cfg);
    api::health::routes(cfg);
    api::openapi::routes(cfg);
    api::packages::routes(cfg);
    api::host_packages::routes(cfg);
    api::repository::routes(cfg);
    api::windows_updates::routes(cfg);
}
