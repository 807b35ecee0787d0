//! The switch to the new program and the way back, each safe to be done again.

use jiff::Timestamp;

use super::UpgradeError;
use super::order::{Order, Payload, Place};
use crate::paths::Paths;
use crate::platform;
use crate::state::State;

/// Puts the new program in place. The database is copied first: the new agent may change its form.
pub(super) async fn forward(paths: &Paths, place: &Place, order: &Order) -> Result<(), UpgradeError> {
    let database = paths.database();
    if database.exists() {
        State::copy(&database, &place.database()).await?;
    }
    match order.payload {
        Payload::Program => replace(&place.new_program(), order),
        Payload::Deb | Payload::WindowsInstaller => {
            let file = installer(place, order)?;
            platform::upgrade::run_installer(&file)
                .await
                .map_err(|reason| UpgradeError::Installer { path: file, reason })
        }
    }
}

/// Puts the old program back.
pub(super) fn back(place: &Place, order: &Order) -> Result<(), UpgradeError> {
    replace(&place.old_program(), order)
}

/// Puts the old database back when the new agent gave it a form that the old one cannot read. No new agent may run.
pub(super) async fn database_back(paths: &Paths, place: &Place, now: Timestamp) -> Result<(), UpgradeError> {
    let (database, kept) = (paths.database(), place.database());
    if kept.exists() && State::is_of_newer_version(&database).await? {
        tracing::warn!("the new agent changed the database; the one from before is put back");
        State::put_back(&kept, &database, now).await?;
    }
    Ok(())
}

fn replace(with: &std::path::Path, order: &Order) -> Result<(), UpgradeError> {
    platform::upgrade::replace_program(with, &order.program)
        .map_err(UpgradeError::file("replace", &order.program))
}

/// The payload in the folder of the new program, by its ending.
fn installer(place: &Place, order: &Order) -> Result<std::path::PathBuf, UpgradeError> {
    let extension = match order.payload {
        Payload::Deb => "deb",
        Payload::WindowsInstaller | Payload::Program => "exe",
    };
    let path = place.new_dir().join("payload").with_extension(extension);
    if path.is_file() {
        return Ok(path);
    }
    Err(UpgradeError::Installer {
        path,
        reason: "it is not there any more".to_owned(),
    })
}
