//! Enrolment tokens: made, listed, taken back.

use muster_shared::protocol::Page;
use muster_shared::protocol::token::{CreateToken, CreatedToken, TokenRow};

use super::request::{ListQuery, segment};
use super::{Client, ClientError};

impl Client {
    /// One page of enrolment tokens, without their secrets.
    pub async fn enrolment_tokens(&self, query: &ListQuery) -> Result<Page<TokenRow>, ClientError> {
        self.get("/api/v1/enrolment-tokens", &query.pairs()).await
    }

    /// Makes a token; the answer is the only time that it is shown.
    pub async fn create_enrolment_token(&self, token: &CreateToken) -> Result<CreatedToken, ClientError> {
        self.post("/api/v1/enrolment-tokens", token).await
    }

    /// Takes a token back.
    pub async fn delete_enrolment_token(&self, id: &str) -> Result<(), ClientError> {
        self.delete(&format!("/api/v1/enrolment-tokens/{}", segment(id)))
            .await
    }
}
