//! The pictures of packages beside the index: `icons/<package_uuid>.png`.

use reqwest::StatusCode;

use super::RepoError;
use super::client::{Repository, read_capped};

impl Repository {
    /// The picture of a package; `None` when the repository has none. Nothing vouches for its bytes.
    ///
    /// # Errors
    /// When the repository does not answer, or the picture is larger than `limit` bytes or too slow.
    pub async fn icon(&self, package_uuid: &str, limit: u64) -> Result<Option<Vec<u8>>, RepoError> {
        let what = "a picture";
        let mut url = self.file_url("icons");
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push(&format!("{package_uuid}.png"));
        }
        let response = self.answer_to(self.http().get(url), what).await?;
        match response.status() {
            StatusCode::OK => read_capped(response, what, limit, self.pace()).await.map(Some),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(self.status_error(what, status)),
        }
    }
}
