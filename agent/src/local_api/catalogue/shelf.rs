//! What the repositories offer this machine, read whole when somebody looks and kept for a short while.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use muster_shared::catalogue::Catalogue;
use muster_shared::control::Control;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::rules::repository::MAIN_REPOSITORY;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Offer;
use crate::config::Config;
use crate::failure::Failure;
use crate::paths::Paths;
use crate::update::offers;
use crate::update::pool::{Collected, Pool};

/// Read anew after this long: signers are trusted no more, certificates expire.
const KEPT_FOR: Duration = Duration::from_mins(1);

/// The offers of this machine's repositories.
#[derive(Debug)]
pub struct Shelf {
    paths: Paths,
    config: Config,
    kept: Arc<Mutex<Option<Kept>>>,
    /// One reading of the index at a time: many who ask at once must not take the memory for many.
    reading: Mutex<()>,
}

#[derive(Debug)]
struct Kept {
    indexes: Vec<Mark>,
    since: Instant,
    offers: Arc<Vec<Offer>>,
}

impl Shelf {
    /// A shelf that was not looked at yet.
    pub fn new(paths: &Paths, config: &Config) -> Self {
        Self {
            paths: paths.clone(),
            config: config.clone(),
            kept: Arc::default(),
            reading: Mutex::default(),
        }
    }

    /// The best package of every name, sorted by name; empty when no index was fetched yet.
    ///
    /// # Errors
    /// When the index or the trust folder cannot be read.
    pub async fn offers(&self, now: Timestamp) -> Result<Arc<Vec<Offer>>, Failure> {
        // Held while it is read: several who look at the same time read it once.
        let mut kept = self.kept.lock().await;
        let indexes = self.indexes();
        if let Some(kept) = kept.as_ref()
            && kept.indexes == indexes
            && kept.since.elapsed() < KEPT_FOR
        {
            return Ok(kept.offers.clone());
        }
        let offers = if indexes.iter().any(Option::is_some) {
            let (paths, config) = (self.paths.clone(), self.config.clone());
            let _reading = self.reading.lock().await;
            blocking(move || read(&paths, &config, None, now)).await?
        } else {
            Vec::new()
        };
        let offers: Vec<Offer> = offers.into_iter().map(|(offer, _control)| offer).collect();
        let offers = Arc::new(offers);
        *kept = Some(Kept {
            indexes,
            since: Instant::now(),
            offers: offers.clone(),
        });
        // Nothing of it stays in memory while nobody looks.
        let forget = self.kept.clone();
        tokio::spawn(async move {
            tokio::time::sleep(KEPT_FOR).await;
            let mut kept = forget.lock().await;
            if kept.as_ref().is_some_and(|kept| kept.since.elapsed() >= KEPT_FOR) {
                *kept = None;
            }
        });
        Ok(offers)
    }

    /// The index files of all repositories as they are now.
    fn indexes(&self) -> Vec<Mark> {
        let others = self
            .config
            .repositories
            .others
            .iter()
            .map(|other| other.name.as_str());
        std::iter::once(MAIN_REPOSITORY)
            .chain(others)
            .map(|name| {
                let metadata = fs_err::metadata(self.paths.index_of(name)).ok()?;
                Some((metadata.len(), metadata.modified().ok()?))
            })
            .collect()
    }

    /// The control file of the best package of a name; `None` when there is none for this machine.
    ///
    /// # Errors
    /// When the index or the trust folder cannot be read.
    pub async fn control(&self, package: &str, now: Timestamp) -> Result<Option<Control>, Failure> {
        if self.indexes().iter().all(Option::is_none) {
            return Ok(None);
        }
        // What is not on the shelf is not looked for in the whole index.
        if super::section_of(&self.offers(now).await?, package).is_none() {
            return Ok(None);
        }
        let (paths, config, package) = (self.paths.clone(), self.config.clone(), package.to_owned());
        let _reading = self.reading.lock().await;
        let found = blocking(move || read(&paths, &config, Some(package), now)).await?;
        Ok(found.into_iter().next().and_then(|(_offer, control)| control))
    }
}

/// Tells one index file from another: its size and its time; `None` when it was never fetched.
type Mark = Option<(u64, std::time::SystemTime)>;

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        Failure::new(
            ErrorCode::Internal,
            format!("reading the index broke off: {error}"),
        )
    })?
}

/// The best package of one name, or of all.
fn read(
    paths: &Paths,
    config: &Config,
    only: Option<String>,
    now: Timestamp,
) -> Result<Vec<(Offer, Option<Control>)>, Failure> {
    let pool = Pool::of(paths, config)?;
    let capabilities = offers::capabilities(config, now);
    let names = match &only {
        Some(name) => std::iter::once(name.clone()).collect(),
        None => pool.all_names(),
    };
    let offered = pool.offered(names, now, Collected::default(), false)?;
    let catalogue = Catalogue::new(offered.entries, &capabilities);
    let mut found = Vec::new();
    for name in catalogue.names() {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let Some(best) = catalogue.newest(name) else {
            continue;
        };
        // An index of many packages is read for people who look at a page of it: only what lists need is kept.
        let control = only.is_some().then(|| best.control.clone());
        if let Some(offer) = Offer::of(&best.control, best.size, &best.repository) {
            found.push((offer, control));
        }
    }
    found.sort_by(|(one, _), (other, _)| one.package.cmp(&other.package));
    Ok(found)
}
