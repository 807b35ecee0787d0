//! Signing in and out.

use muster_shared::protocol::session::{Session, SignIn, WhoAmI};
use secrecy::{ExposeSecret as _, SecretString};

use super::{Client, ClientError};

impl Client {
    /// Signs in; this client goes on with the session.
    ///
    /// # Errors
    /// `sign_in_failed` and `locked_out` as the server says them, or no answer.
    pub async fn sign_in(&self, user: &str, password: &SecretString) -> Result<Session, ClientError> {
        let body = SignIn {
            user: user.to_owned(),
            password: password.expose_secret().to_owned(),
        };
        let session: Session = self.post("/api/v1/session", &body).await?;
        self.set_token(Some(SecretString::from(session.token.clone())));
        Ok(session)
    }

    /// Who this session belongs to.
    pub async fn who_am_i(&self) -> Result<WhoAmI, ClientError> {
        self.get("/api/v1/session", &[]).await
    }

    /// Ends the session on the server and forgets its token.
    pub async fn sign_out(&self) -> Result<(), ClientError> {
        let ended = self.delete("/api/v1/session").await;
        self.set_token(None);
        ended
    }
}
