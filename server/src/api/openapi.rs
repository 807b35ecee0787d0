//! `/api/v1/openapi.json`: the API as OpenAPI, made from the one table of routes.

use actix_web::{HttpResponse, web};
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::session::Right;
use serde_json::{Map, Value, json};

use crate::auth::rights::right_name;

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Everyone,
    /// Any signed-in user.
    SignedIn,
    /// A signed-in user whose role includes the right.
    Right(Right),
    /// A registered host, by a signed request.
    Host,
    /// A machine that registers, by a request signed with the key that it registers.
    Newcomer,
    /// The host that the object belongs to, or a signed-in user who may view.
    OwnHostOrView,
}

/// One route with what it takes and gives.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub access: Access,
    pub summary: &'static str,
    /// A type of `muster_shared::protocol`, or `file`.
    pub takes: Option<&'static str>,
    pub gives: Option<&'static str>,
    pub status: u16,
}

/// Mounts the route.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(web::resource("/api/v1/openapi.json").route(web::get().to(openapi)));
}

async fn openapi() -> HttpResponse {
    HttpResponse::Ok().json(document())
}

const fn route(
    method: &'static str,
    path: &'static str,
    access: Access,
    takes: Option<&'static str>,
    gives: Option<&'static str>,
    status: u16,
    summary: &'static str,
) -> Route {
    Route {
        method,
        path,
        access,
        summary,
        takes,
        gives,
        status,
    }
}

const VIEW: Access = Access::Right(Right::View);
const ENROL: Access = Access::Right(Right::Enrol);
const FILE: Option<&str> = Some("file");

/// Every route of the server.
pub const ROUTES: &[Route] = &[
    route(
        "post",
        "/api/v1/session",
        Access::Everyone,
        Some("SignIn"),
        Some("Session"),
        200,
        "sign in",
    ),
    route(
        "get",
        "/api/v1/session",
        Access::SignedIn,
        None,
        Some("WhoAmI"),
        200,
        "who is signed in",
    ),
    route(
        "delete",
        "/api/v1/session",
        Access::SignedIn,
        None,
        None,
        204,
        "sign out",
    ),
    route(
        "get",
        "/api/v1/hosts",
        VIEW,
        None,
        Some("Page<HostRow>"),
        200,
        "the fleet's table",
    ),
    route(
        "get",
        "/api/v1/hosts/{identifier}",
        VIEW,
        None,
        Some("HostDetail"),
        200,
        "one host as it reported",
    ),
    route(
        "delete",
        "/api/v1/hosts/{identifier}",
        ENROL,
        None,
        None,
        204,
        "forget a host",
    ),
    route(
        "post",
        "/api/v1/hosts/{identifier}/registration",
        ENROL,
        Some("RegistrationDecision"),
        None,
        204,
        "decide on a known identifier with a new key",
    ),
    route(
        "get",
        "/api/v1/host-packages/{identifier}",
        VIEW,
        None,
        FILE,
        200,
        "a host's package",
    ),
    route(
        "put",
        "/api/v1/host-packages/{identifier}",
        Access::Right(Right::EditHosts),
        FILE,
        Some("Uploaded"),
        200,
        "replace a host's package, with If-Match or If-None-Match",
    ),
    route(
        "get",
        "/api/v1/packages",
        VIEW,
        None,
        Some("Page<PackageRow>"),
        200,
        "the repository's packages",
    ),
    route(
        "post",
        "/api/v1/packages",
        Access::Right(Right::EditPackages),
        FILE,
        Some("Uploaded"),
        200,
        "upload a signed package",
    ),
    route(
        "delete",
        "/api/v1/packages/{filename}",
        Access::Right(Right::EditPackages),
        None,
        None,
        204,
        "delete a package",
    ),
    route(
        "post",
        "/api/v1/actions",
        Access::Right(Right::Act),
        Some("SubmitAction"),
        Some("ActionDetail"),
        200,
        "submit a signed action",
    ),
    route(
        "get",
        "/api/v1/actions",
        VIEW,
        None,
        Some("Page<ActionRow>"),
        200,
        "actions, newest first",
    ),
    route(
        "get",
        "/api/v1/actions/{batch}",
        VIEW,
        None,
        Some("ActionDetail"),
        200,
        "an action on its hosts",
    ),
    route(
        "get",
        "/api/v1/events",
        VIEW,
        None,
        Some("Event"),
        200,
        "server-sent events; resumes by Last-Event-ID",
    ),
    route(
        "get",
        "/api/v1/enrolment-tokens",
        ENROL,
        None,
        Some("Page<TokenRow>"),
        200,
        "enrolment tokens",
    ),
    route(
        "post",
        "/api/v1/enrolment-tokens",
        ENROL,
        Some("CreateToken"),
        Some("CreatedToken"),
        201,
        "make an enrolment token; shown this once",
    ),
    route(
        "delete",
        "/api/v1/enrolment-tokens/{id}",
        ENROL,
        None,
        None,
        204,
        "delete an enrolment token",
    ),
    route(
        "post",
        "/api/v1/register",
        Access::Newcomer,
        Some("RegisterRequest"),
        Some("RegisterAnswer"),
        200,
        "register a machine; 202 when an administrator must decide",
    ),
    route(
        "post",
        "/api/v1/host/report",
        Access::Host,
        Some("Report"),
        Some("ReportAnswer"),
        200,
        "report inventory",
    ),
    route(
        "delete",
        "/api/v1/host",
        Access::Host,
        None,
        None,
        204,
        "a host has itself forgotten",
    ),
    route(
        "get",
        "/api/v1/host/live",
        Access::Host,
        None,
        None,
        101,
        "live channel (WebSocket)",
    ),
    route(
        "get",
        "/wapt-host/{identifier}.wapt",
        Access::OwnHostOrView,
        None,
        FILE,
        200,
        "the host's own package",
    ),
    route(
        "get",
        "/api/v1/health",
        Access::Everyone,
        None,
        Some("Health"),
        200,
        "whether the server works",
    ),
    route(
        "get",
        "/api/v1/openapi.json",
        Access::Everyone,
        None,
        None,
        200,
        "this document",
    ),
    route(
        "get",
        "/wapt/",
        Access::Everyone,
        None,
        FILE,
        200,
        "a list of the packages for browsers",
    ),
    route(
        "get",
        "/wapt/Packages",
        Access::Everyone,
        None,
        FILE,
        200,
        "the repository's index",
    ),
    route(
        "get",
        "/wapt/{file}.wapt",
        Access::Everyone,
        None,
        FILE,
        200,
        "a package",
    ),
    route(
        "get",
        "/wapt/icons/{uuid}.png",
        Access::Everyone,
        None,
        FILE,
        200,
        "a package's icon",
    ),
    route(
        "get",
        "/waptwua/{file}",
        Access::Everyone,
        None,
        FILE,
        200,
        "the catalogue of Windows updates, or a file of one",
    ),
];

/// The document.
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let methods = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Value::Object(methods) = methods {
            methods.insert(route.method.to_owned(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Muster server",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Bodies are JSON in UTF-8, times RFC 3339 in UTC. Errors carry a code of the table below; \
                match on it, never on the message.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "session": {"type": "http", "scheme": "bearer", "description": "the token of POST /api/v1/session"},
                "host": {
                    "type": "apiKey", "in": "header", "name": "Signature-Input",
                    "description": "RFC 9421 signature of the host's identity key, tag muster-host-1",
                },
            },
            "schemas": schemas(),
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({"summary": route.summary});
    operation["x-access"] = json!(access_word(route.access));
    operation["security"] = match route.access {
        Access::Everyone => json!([]),
        Access::SignedIn | Access::Right(_) => json!([{"session": []}]),
        Access::Host | Access::Newcomer => json!([{"host": []}]),
        Access::OwnHostOrView => json!([{"host": []}, {"session": []}]),
    };
    let mut parameters: Vec<Value> = path_parameters(route.path)
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    if route.gives.is_some_and(|gives| gives.starts_with("Page<")) {
        let names: &[&str] = match route.gives {
            Some("Page<HostRow>" | "Page<PackageRow>") => &["limit", "cursor", "filter", "sort"],
            Some("Page<ActionRow>") => &["limit", "cursor"],
            _ => &[],
        };
        parameters.extend(names.iter().map(|name| {
            let kind = if *name == "limit" { "integer" } else { "string" };
            json!({"name": name, "in": "query", "schema": {"type": kind}})
        }));
    }
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    if let Some(takes) = route.takes {
        operation["requestBody"] = json!({"required": true, "content": content(takes)});
    }
    let mut answer = json!({"description": route.summary});
    if let Some(gives) = route.gives {
        answer["content"] = content(gives);
    }
    operation["responses"] = json!({
        route.status.to_string(): answer,
        "default": {"description": "an error", "content": content("ErrorBody")},
    });
    operation
}

fn content(name: &str) -> Value {
    match name {
        "file" => json!({"application/octet-stream": {}}),
        "Event" => json!({"text/event-stream": {"schema": reference(name)}}),
        _ => json!({"application/json": {"schema": reference(name)}}),
    }
}

fn reference(name: &str) -> Value {
    match name.strip_prefix("Page<").and_then(|rest| rest.strip_suffix('>')) {
        Some(item) => json!({
            "type": "object",
            "required": ["items", "total"],
            "properties": {
                "items": {"type": "array", "items": reference(item)},
                "total": {"type": "integer"},
                "next": {"type": "string", "description": "goes back as cursor"},
            },
        }),
        None => json!({"$ref": format!("#/components/schemas/{name}")}),
    }
}

fn schemas() -> Value {
    let mut schemas = Map::new();
    for name in ROUTES
        .iter()
        .flat_map(|route| [route.takes, route.gives])
        .flatten()
    {
        let name = name
            .strip_prefix("Page<")
            .and_then(|rest| rest.strip_suffix('>'))
            .unwrap_or(name);
        if name != "file" {
            schemas.insert(
                name.to_owned(),
                json!({"description": format!("{name} of shared/src/protocol")}),
            );
        }
    }
    let codes: Vec<_> = ErrorCode::ALL
        .iter()
        .map(|code| json!({"const": code.as_str(), "description": format!("{}: {}", code.http_status(), code.meaning())}))
        .collect();
    schemas.insert(
        "ErrorBody".to_owned(),
        json!({
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"oneOf": codes},
                "message": {"type": "string"},
                "hints": {"type": "array", "items": {"type": "string"}},
                "request_id": {"type": "string"},
                "server_time": {"type": "string", "format": "date-time"},
            },
        }),
    );
    Value::Object(schemas)
}

fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

fn access_word(access: Access) -> String {
    match access {
        Access::Everyone => "everyone".to_owned(),
        Access::SignedIn => "signed-in".to_owned(),
        Access::Right(right) => right_name(right).to_owned(),
        Access::Host => "host".to_owned(),
        Access::Newcomer => "newcomer".to_owned(),
        Access::OwnHostOrView => "own-host or view".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_names_every_route_and_every_error_code() {
        let document = document();
        for route in ROUTES {
            assert!(
                document["paths"][route.path][route.method].is_object(),
                "{} {}",
                route.method,
                route.path
            );
        }
        let codes = document["components"]["schemas"]["ErrorBody"]["properties"]["code"]["oneOf"]
            .as_array()
            .unwrap();
        assert_eq!(codes.len(), ErrorCode::ALL.len());
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let text = document.to_string();
        for rest in text.split("\"#/components/schemas/").skip(1) {
            let name = rest.split('"').next().unwrap();
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
    }

    #[test]
    fn the_routes_are_those_of_the_written_contract() {
        let contract = include_str!("../../../docs/api.md");
        for route in ROUTES {
            let path = route.path;
            assert!(
                contract.contains(&format!("{} {path}`", route.method.to_uppercase()))
                    || contract.contains(&format!("`GET {path}`"))
                    || contract.contains(path),
                "docs/api.md does not list {path}"
            );
        }
        for line in contract.lines().filter(|line| line.starts_with("| `")) {
            for cell in line.split('`').filter(|cell| cell.contains(" /")) {
                let (method, path) = cell.split_once(' ').unwrap();
                let known = ROUTES
                    .iter()
                    .any(|route| route.method.eq_ignore_ascii_case(method) && route.path == path);
                assert!(known, "{cell} is in docs/api.md only");
            }
        }
    }
}
