//! `/api/v1/register`: a machine proves that it holds its key and that the organisation expects it.
//!
//! Order of the checks: headers and time → body read (64 KiB) → the key in it is the one that the signature
//! names → the signature and the digest fit → the nonce → the proof → the decision of `domain::registration`,
//! made and written in one transaction.

use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use muster_shared::crypto::Certificate;
use muster_shared::hint::chain;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::host::{RegisterAnswer, RegisterOutcome, RegisterRequest};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::auth::host_signature::{MAX_REGISTER_BODY, REGISTER_BODY_WITHIN, SignedRequest, read_body};
use crate::auth::{secret, session};
use crate::domain::identifier::{self, host_key};
use crate::domain::inventory::clip;
use crate::domain::registration::{Decision, Proof, decide};
use crate::error::{ApiError, ApiResult};
use crate::state::AppState;
use crate::store::hosts::{self, Newcomer};
use crate::store::tokens;

/// Mounts the route.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(web::resource("/api/v1/register").route(web::post().to(register)));
}

async fn register(
    state: web::Data<AppState>,
    request: HttpRequest,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    let signed = SignedRequest::read(&state, &request)?;
    let body = read_body(payload.into_inner(), MAX_REGISTER_BODY, REGISTER_BODY_WITHIN).await?;
    let wanted: RegisterRequest = serde_json::from_slice(&body).map_err(|error| {
        ApiError::new(
            ErrorCode::RequestInvalid,
            format!("the registration cannot be read: {error}"),
        )
    })?;
    identifier::check(&wanted.identifier)?;
    let spki = STANDARD
        .decode(&wanted.public_key)
        .map_err(|_error| ApiError::new(ErrorCode::RequestInvalid, "public_key is not base64"))?;
    let keyid = hex::encode(Sha256::digest(&spki));
    if keyid != signed.keyid() {
        return Err(ApiError::new(
            ErrorCode::HostSignatureInvalid,
            "the request is not signed by the key that it registers",
        ));
    }
    signed.verify(&state, &request, &spki)?;
    signed.check_digest(&body)?;
    signed.spend_nonce(&state).await?;

    // The key on record is proof enough; a token that has expired since does not matter then.
    let on_record = hosts::find_key(&state.store, &keyid).await?;
    let is_known =
        on_record.is_some_and(|owner| !owner.pending && owner.host_key == host_key(&wanted.identifier));
    let proof = if is_known {
        Proof::None
    } else {
        proof(&state, &wanted, &spki).await?
    };
    let decision = apply(&state, &wanted, &proof, &keyid, &spki).await?;
    let key = host_key(&wanted.identifier);
    let identifier = &wanted.identifier;
    match decision {
        Decision::Insert | Decision::Replace | Decision::Confirm => {
            if decision == Decision::Replace {
                // The connection of the old key, if there is one, is not this host's any more.
                state.relay.forget(&key);
            }
            tracing::info!(host = %identifier, ?decision, by = %proof.word(), "registered");
            state.publish_host(&key).await?;
            let now = state.now();
            let certificate = state
                .host_authority
                .issue(&spki, identifier, now)
                .map_err(|error| ApiError::internal("issuing a host's certificate", &error))?;
            Ok(HttpResponse::Ok().json(RegisterAnswer {
                outcome: RegisterOutcome::Registered,
                certificate: Some(certificate.to_pem()),
                host_ca: Some(state.host_authority.certificate().to_pem()),
                server_time: now,
            }))
        }
        Decision::Wait => {
            tracing::warn!(host = %identifier, by = %proof.word(), "a known identifier came with a new key");
            state.publish_host(&key).await?;
            Ok(HttpResponse::Accepted().json(RegisterAnswer {
                outcome: RegisterOutcome::Pending,
                certificate: None,
                host_ca: None,
                server_time: state.now(),
            }))
        }
        Decision::RefuseUnproved => Err(ApiError::new(
            ErrorCode::RegistrationRefused,
            format!("{identifier} gives no proof that this organisation expects it"),
        )
        .hint("give an enrolment token: `muster-agent register --server … --token …`")
        .hint("make one in the console, or with `muster enrol-token create`")),
        Decision::RefuseWhileAnotherWaits => {
            tracing::warn!(host = %identifier, by = %proof.word(), "another key waits for this identifier");
            Err(ApiError::new(
                ErrorCode::HostPending,
                format!("another key already waits for an administrator's decision on {identifier}"),
            )
            .hint("refuse that key on the host's page of the console, then register again")
            .hint("or make an enrolment token for this very identifier"))
        }
        Decision::AlreadyRefused => Err(ApiError::new(
            ErrorCode::RegistrationRefused,
            format!("an administrator refused this key for {identifier}"),
        )
        .hint("make an enrolment token for this very identifier, or give the machine another identifier")),
        Decision::RefuseKeyOfAnother => Err(ApiError::new(
            ErrorCode::Conflict,
            "this key belongs to a host with another identifier",
        )
        .hint("a copied machine must make a key of its own: delete the agent's private folder on the copy")),
    }
}

/// Checks whatever proof the machine offers; a wrong one is an error, not "no proof".
async fn proof(state: &AppState, wanted: &RegisterRequest, spki: &[u8]) -> ApiResult<Proof> {
    if let Some(token) = &wanted.token {
        return token_proof(state, token, &wanted.identifier).await;
    }
    if let (Some(user), Some(password)) = (&wanted.user, &wanted.password) {
        let name = session::check_enroller(state, user, password.clone().into()).await?;
        return Ok(Proof::User { name });
    }
    if let Some(pem) = &wanted.certificate {
        let certificate = Certificate::from_pem(pem)
            .map_err(|error| ApiError::new(ErrorCode::RequestInvalid, chain(&error)))?;
        match state
            .host_authority
            .check(&certificate, spki, &wanted.identifier, state.now())
        {
            Ok(()) => return Ok(Proof::Certificate),
            // A certificate of another server, as after a move: worth nothing here, but no reason to refuse a
            // machine that this server takes for another one.
            Err(error) => {
                tracing::info!(host = %wanted.identifier, error = %chain(&error), "a host certificate proves nothing");
            }
        }
    }
    Ok(if state.config.open_registration {
        Proof::Open
    } else {
        Proof::None
    })
}

async fn token_proof(state: &AppState, token: &str, identifier: &str) -> ApiResult<Proof> {
    // One answer for every reason: nobody learns which tokens exist.
    let refused = || {
        ApiError::new(
            ErrorCode::EnrolmentTokenInvalid,
            "the enrolment token is unknown, used up or expired",
        )
        .hint("make a new one in the console, or with `muster enrol-token create`")
    };
    let (id, secret) = token.trim().split_once('.').ok_or_else(refused)?;
    let stored = tokens::find(&state.store, id).await?;
    let hash = secret::hash(secret);
    let held = stored.as_ref().map_or("", |stored| stored.secret_hash.as_str());
    let matches = bool::from(hash.as_bytes().ct_eq(held.as_bytes()));
    let stored = stored.filter(|_| matches).ok_or_else(refused)?;
    if stored.expires_at <= state.now() {
        return Err(refused());
    }
    match stored.identifier {
        Some(only) if only != host_key(identifier) => Err(refused()),
        Some(_) => Ok(Proof::TokenForIdentifier { id: id.to_owned() }),
        None => Ok(Proof::Token { id: id.to_owned() }),
    }
}

/// Decides and writes in one transaction: two machines that come at once do not both win.
async fn apply(
    state: &AppState,
    wanted: &RegisterRequest,
    proof: &Proof,
    keyid: &str,
    spki: &[u8],
) -> ApiResult<Decision> {
    let now = state.now();
    let word = proof.word();
    let (hostname, description) = (clip(&wanted.hostname), clip(&wanted.description));
    let newcomer = Newcomer {
        identifier: &wanted.identifier,
        keyid,
        spki,
        hostname: &hostname,
        description: &description,
        registered_by: &word,
    };
    let mut transaction = state.store.begin().await?;
    let record = hosts::on_record(&mut transaction, &wanted.identifier, keyid, now).await?;
    let decision = decide(record, proof);
    let uses_token = matches!(decision, Decision::Insert | Decision::Replace);
    if uses_token
        && let Some(id) = proof.token()
        && !tokens::take_use(&mut transaction, id, now).await?
    {
        return Err(ApiError::new(
            ErrorCode::EnrolmentTokenInvalid,
            "the enrolment token is unknown, used up or expired",
        )
        .hint("make a new one in the console, or with `muster enrol-token create`"));
    }
    let mut freed = Vec::new();
    match decision {
        Decision::Insert => {
            freed = hosts::withdraw(&mut transaction, keyid).await?;
            hosts::insert(&mut transaction, newcomer, now).await?;
        }
        Decision::Replace => hosts::replace_key(&mut transaction, newcomer, now).await?,
        // Asking again changes nothing, so that the console's date of the conflict stays.
        Decision::Wait if !record.same_key_pending => {
            hosts::set_pending(&mut transaction, newcomer, now).await?;
        }
        Decision::Wait
        | Decision::Confirm
        | Decision::RefuseUnproved
        | Decision::RefuseWhileAnotherWaits
        | Decision::AlreadyRefused
        | Decision::RefuseKeyOfAnother => {}
    }
    transaction.commit().await?;
    for host in freed {
        state.publish_host(&host).await?;
    }
    Ok(decision)
}
