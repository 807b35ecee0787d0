//! Enrolment tokens: made for new machines, listed, taken back.

use std::time::Duration;

use muster_shared::hint::Hint;
use muster_shared::name::{HostId, NameError};
use muster_shared::protocol::token::{CreateToken, CreatedToken, TokenRow};

use crate::client::{Client, ClientError, ListQuery};

const LONGEST: Duration = Duration::from_hours(365 * 24);
const SHORTEST: Duration = Duration::from_mins(1);
const MOST_USES: u32 = 10_000;

/// Why a token could not be made or taken back.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    #[error("a token is used by 1 to {MOST_USES} machines, not {uses}")]
    Uses { uses: u32 },
    #[error("a token lives from one minute to 365 days, not {} s", lifetime.as_secs())]
    Lifetime { lifetime: Duration },
    #[error("a token for one machine is used once, not {uses} times")]
    OneMachine { uses: u32 },
    #[error("the machine named is not a host identifier")]
    Identifier(#[source] NameError),
    #[error("the server did not do it")]
    Server(#[source] ClientError),
}

impl Hint for EnrolError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Server(error) => error.hints(),
            Self::OneMachine { .. } => vec!["leave out the number of uses".to_owned()],
            Self::Uses { .. } | Self::Lifetime { .. } | Self::Identifier(_) => Vec::new(),
        }
    }
}

/// Makes a token for `uses` machines, or for the one machine named.
///
/// # Errors
/// A rule is broken, or the server refuses.
pub async fn create(
    client: &Client,
    uses: u32,
    lifetime: Duration,
    note: &str,
    identifier: Option<&str>,
) -> Result<CreatedToken, EnrolError> {
    if !(1..=MOST_USES).contains(&uses) {
        return Err(EnrolError::Uses { uses });
    }
    if !(SHORTEST..=LONGEST).contains(&lifetime) {
        return Err(EnrolError::Lifetime { lifetime });
    }
    if let Some(identifier) = identifier {
        identifier.parse::<HostId>().map_err(EnrolError::Identifier)?;
        if uses > 1 {
            return Err(EnrolError::OneMachine { uses });
        }
    }
    let token = CreateToken {
        uses,
        lifetime_secs: lifetime.as_secs(),
        note: note.to_owned(),
        identifier: identifier.map(str::to_owned),
    };
    client
        .create_enrolment_token(&token)
        .await
        .map_err(EnrolError::Server)
}

/// Every token that the server knows.
///
/// # Errors
/// The server refuses or does not answer.
pub async fn list(client: &Client) -> Result<Vec<TokenRow>, EnrolError> {
    let mut query = ListQuery::filtered("", 1000);
    let mut rows = Vec::new();
    loop {
        let page = client
            .enrolment_tokens(&query)
            .await
            .map_err(EnrolError::Server)?;
        let empty = page.items.is_empty();
        rows.extend(page.items);
        match page.next {
            Some(next) if !empty => query.cursor = Some(next),
            _ => return Ok(rows),
        }
    }
}

/// Takes a token back.
///
/// # Errors
/// The server refuses or does not know it.
pub async fn delete(client: &Client, id: &str) -> Result<(), EnrolError> {
    client
        .delete_enrolment_token(id)
        .await
        .map_err(EnrolError::Server)
}
