//! `muster-agent presentation`: whether something is shown that must not be disturbed, as the session it is asked in
//! knows it.
//!
//! On Windows the service asks it in the session of whoever sits in front of the machine: its own knows of no screen.

use serde_json::json;

use super::{Common, Done};
use crate::failure::Exit;
use crate::platform;

/// Say whether something is shown in this session that must not be disturbed.
///
/// Ends with 5 when something is, with 0 when nothing is.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

pub(super) async fn run(common: &Common, _arguments: &Arguments) -> Done {
    let shown = platform::presentation_here().await;
    common
        .output()
        .answer(&json!({ "shown": shown }), |_value| match &shown {
            Some(shown) => shown.clone(),
            None => "nothing is shown that must not be disturbed".to_owned(),
        });
    Ok(shown.map(|_shown| Exit::Busy))
}
