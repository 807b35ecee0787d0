//! Each role at each route: the table of the API against the real server.

use muster_server::api::openapi::{Access, ROUTES, Route};
use muster_shared::protocol::error::{ErrorBody, ErrorCode};
use muster_shared::protocol::session::Role;
use reqwest::{Method, RequestBuilder};

use crate::harness::TestServer;

fn method(route: &Route) -> Method {
    route.method.to_uppercase().parse().unwrap()
}

fn path(route: &Route) -> String {
    route
        .path
        .replace("{identifier}", "no-such-host")
        .replace("{filename}", "no-such_1-1_all.wapt")
        .replace("{file}", "no-such_1-1_all")
        .replace("{batch}", "01900000-0000-7000-8000-000000000000")
        .replace("{uuid}", "00000000-0000-0000-0000-000000000000")
        .replace("{id}", "0000000000000000")
}

/// The error code of an answer, none for a success. Streams are not read to their end.
async fn error_code(request: RequestBuilder) -> Option<ErrorCode> {
    let answer = request.send().await.unwrap();
    if answer.status().is_success() {
        return None;
    }
    let text = answer.text().await.unwrap();
    let body: ErrorBody = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    Some(body.code)
}

#[tokio::test]
async fn each_route_takes_the_roles_that_have_its_right_and_no_others() {
    let server = TestServer::start().await;
    for role in Role::ALL {
        for route in ROUTES {
            let person = server.sign_in(role).await;
            let code = error_code(person.request(method(route), &path(route))).await;
            let what = format!("{} {} as {}: {code:?}", route.method, route.path, role.as_str());
            match route.access {
                Access::Right(right) if !role.has(right) => {
                    assert_eq!(code, Some(ErrorCode::RightMissing), "{what}");
                }
                Access::Host | Access::Newcomer => {
                    assert_eq!(code, Some(ErrorCode::HostSignatureMissing), "{what}");
                }
                Access::Right(_) | Access::SignedIn | Access::Everyone | Access::OwnHostOrView => {
                    assert!(
                        !matches!(
                            code,
                            Some(
                                ErrorCode::RightMissing
                                    | ErrorCode::SignInRequired
                                    | ErrorCode::HostSignatureMissing
                                    | ErrorCode::RouteNotFound
                                    | ErrorCode::MethodNotAllowed
                                    | ErrorCode::Internal
                            )
                        ),
                        "{what}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn without_a_session_only_open_routes_answer() {
    let server = TestServer::start().await;
    for route in ROUTES {
        let code = error_code(server.request(method(route), &path(route))).await;
        let what = format!("{} {}: {code:?}", route.method, route.path);
        match route.access {
            Access::Right(_) | Access::SignedIn => {
                assert_eq!(code, Some(ErrorCode::SignInRequired), "{what}");
            }
            Access::Host | Access::Newcomer | Access::OwnHostOrView => {
                assert_eq!(code, Some(ErrorCode::HostSignatureMissing), "{what}");
            }
            Access::Everyone => assert_ne!(code, Some(ErrorCode::SignInRequired), "{what}"),
        }
    }
}
