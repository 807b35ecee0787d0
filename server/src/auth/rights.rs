//! The right a handler needs, in its argument type: `Authorised<right::View>`.
//!
//! Order of the checks: bearer token present → session known and not expired → role has the right.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, dev, web};
use jiff::Timestamp;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::session::{Right, Role};
use serde::de::DeserializeOwned;

use crate::error::ApiError;
use crate::state::AppState;

/// A signed-in user whose role includes the right `R`.
#[derive(Debug, Clone)]
pub struct Authorised<R> {
    pub user: String,
    pub role: Role,
    pub expires_at: Timestamp,
    /// Names the session in the store.
    pub token_hash: String,
    right: PhantomData<R>,
}

/// A right as a type.
pub trait RequiredRight: 'static {
    /// The right; `None` means that any signed-in user will do.
    const RIGHT: Option<Right>;
}

/// The rights, each as a type.
pub mod right {
    use super::{RequiredRight, Right};

    macro_rules! rights {
        ($($name:ident => $right:expr;)*) => {
            $(
                #[doc = concat!("`", stringify!($right), "`.")]
                #[derive(Debug, Clone, Copy)]
                pub struct $name;
                impl RequiredRight for $name { const RIGHT: Option<Right> = $right; }
            )*
        };
    }

    rights! {
        Any => None;
        View => Some(Right::View);
        EditPackages => Some(Right::EditPackages);
        EditHosts => Some(Right::EditHosts);
        Act => Some(Right::Act);
        Enrol => Some(Right::Enrol);
        Administer => Some(Right::Administer);
    }
}

impl<R: RequiredRight> FromRequest for Authorised<R> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, _payload: &mut dev::Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { authorise::<R>(&request).await })
    }
}

/// A signed-in user with the right `R`, and the JSON body, which is read only after the right is proved.
#[derive(Debug)]
pub struct AuthorisedJson<R, T> {
    pub user: Authorised<R>,
    pub body: T,
}

impl<R: RequiredRight, T: DeserializeOwned + 'static> FromRequest for AuthorisedJson<R, T> {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, actix_web::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let user = authorise::<R>(&request).await?;
            let body = web::Json::<T>::from_request(&request, &mut payload)
                .await?
                .into_inner();
            Ok(Self { user, body })
        })
    }
}

/// Checks a request as the extractor does, for handlers that serve people and hosts on one route.
///
/// # Errors
/// `sign_in_required` or `right_missing`.
pub async fn authorise<R: RequiredRight>(request: &HttpRequest) -> Result<Authorised<R>, ApiError> {
    let state = state_of(request)?;
    let token = bearer_token(request).ok_or_else(sign_in_required)?;
    let session = super::session::find(&state, token)
        .await?
        .ok_or_else(sign_in_required)?;
    if let Some(right) = R::RIGHT
        && !session.role.has(right)
    {
        return Err(ApiError::new(
            ErrorCode::RightMissing,
            format!(
                "{} is {} {}, which does not include the right {}",
                session.user,
                if session.role == Role::Administrator {
                    "an"
                } else {
                    "a"
                },
                session.role.as_str(),
                right_name(right),
            ),
        )
        .hint("ask an administrator of this server to do it, or to give the user another role"));
    }
    Ok(Authorised {
        user: session.user,
        role: session.role,
        expires_at: session.expires_at,
        token_hash: session.token_hash,
        right: PhantomData,
    })
}

/// The request carries a session token, whether it is good or not.
pub fn has_bearer_token(request: &HttpRequest) -> bool {
    bearer_token(request).is_some()
}

/// The parts that all handlers share.
pub(crate) fn state_of(request: &HttpRequest) -> Result<web::Data<AppState>, ApiError> {
    request
        .app_data::<web::Data<AppState>>()
        .cloned()
        .ok_or_else(|| ApiError::new(ErrorCode::Internal, "the server is not set up"))
}

fn bearer_token(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn sign_in_required() -> ApiError {
    ApiError::new(
        ErrorCode::SignInRequired,
        "this needs a valid session, and there is none",
    )
    .hint("sign in again")
}

/// The word of a right as it crosses the wire.
pub fn right_name(right: Right) -> &'static str {
    match right {
        Right::View => "view",
        Right::EditPackages => "edit-packages",
        Right::EditHosts => "edit-hosts",
        Right::Act => "act",
        Right::Enrol => "enrol",
        Right::Administer => "administer",
    }
}
