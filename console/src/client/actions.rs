//! Signed actions: handed in, listed, followed.

use muster_shared::protocol::Page;
use muster_shared::protocol::action::{ActionDetail, ActionRow, SubmitAction};
use uuid::Uuid;

use super::request::ListQuery;
use super::{Client, ClientError};

impl Client {
    /// Hands in a signed action; the server relays it to its targets.
    pub async fn submit_action(&self, action: &SubmitAction) -> Result<ActionDetail, ClientError> {
        self.post("/api/v1/actions", action).await
    }

    /// One page of actions, newest first.
    pub async fn actions(&self, query: &ListQuery) -> Result<Page<ActionRow>, ClientError> {
        self.get("/api/v1/actions", &query.pairs()).await
    }

    /// One action and where it stands on each of its targets.
    pub async fn action(&self, batch: Uuid) -> Result<ActionDetail, ClientError> {
        self.get(&format!("/api/v1/actions/{batch}"), &[]).await
    }
}
