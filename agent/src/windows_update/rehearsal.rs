//! A second update agent, for rehearsals: `MUSTER_REHEARSE_UPDATES` names a folder, and updates are found, taken and
//! installed in it as a machine would, on any system. Release builds have none of this.
//!
//! The folder holds `online.json`, the updates that an online search finds; an offline search reads the catalogue that
//! it is given, which is the same list here. `machine.json` is the state of the machine, and `asked.log` gets a line for
//! everything that is asked. Files are looked at as the real agent does: one that is not what its name says is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use muster_shared::protocol::inventory::UpdateEvent;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde::{Deserialize, Serialize};

use super::{Done, FoundUpdate, Installation, Search, Source, Steps, UpdateAgent, UpdateError, files};

/// Names the folder.
const VARIABLE: &str = "MUSTER_REHEARSE_UPDATES";

/// "The digital signature of the object did not verify."
const BAD_FILE: u32 = 0x8009_6010;
/// "The operation did not complete because the update has not been downloaded."
const NOT_DOWNLOADED: u32 = 0x8024_0024;

/// The agent of the folder that the environment names, if it names any.
pub(crate) fn rehearsal() -> Option<Arc<dyn UpdateAgent>> {
    let folder = PathBuf::from(std::env::var_os(VARIABLE)?);
    Some(Arc::new(Rehearsal { folder }))
}

#[derive(Debug)]
struct Rehearsal {
    folder: PathBuf,
}

/// What the machine of a rehearsal has.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Machine {
    installed: BTreeSet<String>,
    downloaded: BTreeSet<String>,
    /// Updates whose installation fails, with the code.
    broken: BTreeMap<String, u32>,
    reboot_required: bool,
    /// `running`, `disabled`, or what it was before.
    service: String,
    /// Every installation so far.
    count: u64,
    /// What others did.
    history: Vec<UpdateEvent>,
}

impl Rehearsal {
    fn note(&self, what: &str) {
        let log = fs_err::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join("asked.log"));
        if let Ok(mut log) = log {
            writeln!(log, "{what}").ok();
        }
    }

    fn machine(&self) -> Machine {
        let text = fs_err::read_to_string(self.folder.join("machine.json")).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn keep(&self, machine: &Machine) {
        let text = serde_json::to_string_pretty(machine).unwrap_or_default();
        fs_err::write(self.folder.join("machine.json"), text).ok();
    }

    fn find(&self, search: &Search, machine: &Machine) -> Result<Vec<FoundUpdate>, UpdateError> {
        let list = match &search.source {
            Source::Online => self.folder.join("online.json"),
            Source::Catalogue(file) => file.clone(),
        };
        let refused = |reason: String| UpdateError::Refused {
            action: "search for updates",
            reason,
            code: None,
        };
        let text = fs_err::read(list).map_err(|error| refused(error.to_string()))?;
        let mut found: Vec<FoundUpdate> =
            serde_json::from_slice(&text).map_err(|error| refused(error.to_string()))?;
        for update in &mut found {
            update.installed = machine.installed.contains(&update.id);
            update.downloaded = machine.downloaded.contains(&update.id);
        }
        Ok(found)
    }
}

fn done(id: &str, code: u32) -> Done {
    Done {
        id: id.to_owned(),
        succeeded: code == 0,
        code,
        reason: super::code_text(code),
    }
}

fn is_what_its_name_says(path: &Path) -> bool {
    let name = path.to_string_lossy().into_owned();
    let Ok(bytes) = fs_err::read(path) else {
        return false;
    };
    let found = hex::encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &bytes));
    files::hash_in(&name).is_none_or(|expected| expected.eq_ignore_ascii_case(&found))
}

impl UpdateAgent for Rehearsal {
    fn version(&self) -> Result<String, UpdateError> {
        Ok("rehearsal".to_owned())
    }

    fn stamp(&self) -> String {
        self.machine().count.to_string()
    }

    fn search(&self, search: &Search) -> Result<Vec<FoundUpdate>, UpdateError> {
        self.note(match search.source {
            Source::Online => "search online",
            Source::Catalogue(_) => "search catalogue",
        });
        self.find(search, &self.machine())
    }

    fn provide(
        &self,
        search: &Search,
        files: &BTreeMap<String, Vec<PathBuf>>,
    ) -> Result<Vec<Done>, UpdateError> {
        let mut machine = self.machine();
        let mut all = Vec::new();
        for update in self.find(search, &machine)? {
            let Some(paths) = files.get(&update.id) else {
                continue;
            };
            let names: Vec<String> = paths
                .iter()
                .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
                .collect();
            self.note(&format!("provide {} {}", update.id, names.join(" ")));
            let is_whole =
                paths.len() == update.files.len() && paths.iter().all(|path| is_what_its_name_says(path));
            if is_whole {
                machine.downloaded.insert(update.id.clone());
            }
            all.push(done(&update.id, if is_whole { 0 } else { BAD_FILE }));
        }
        self.keep(&machine);
        Ok(all)
    }

    fn download(&self, search: &Search, ids: &[String], steps: Steps<'_>) -> Result<Vec<Done>, UpdateError> {
        let mut machine = self.machine();
        let mut all = Vec::new();
        for (index, update) in self.find(search, &machine)?.iter().enumerate() {
            if ids.contains(&update.id) {
                steps(index, ids.len());
                self.note(&format!("download {}", update.id));
                machine.downloaded.insert(update.id.clone());
                all.push(done(&update.id, 0));
            }
        }
        self.keep(&machine);
        Ok(all)
    }

    fn install(
        &self,
        _search: &Search,
        ids: &[String],
        steps: Steps<'_>,
        goes_on: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<Installation, UpdateError> {
        let mut machine = self.machine();
        let mut installation = Installation::default();
        for (index, id) in ids.iter().enumerate() {
            if !goes_on() {
                break;
            }
            steps(index, ids.len());
            self.note(&format!("install {id}"));
            let code = match machine.broken.get(id) {
                Some(code) => *code,
                None if machine.downloaded.contains(id) => 0,
                None => NOT_DOWNLOADED,
            };
            if code == 0 {
                machine.installed.insert(id.clone());
                machine.count += 1;
                self.keep(&machine);
            }
            installation.done.push(done(id, code));
        }
        installation.reboot_required = machine.reboot_required;
        Ok(installation)
    }

    fn history(&self, _most: usize) -> Result<Vec<UpdateEvent>, UpdateError> {
        Ok(self.machine().history)
    }

    fn start_service(&self) -> Result<(), UpdateError> {
        self.set_service("running")
    }

    fn rest_service(&self) -> Result<(), UpdateError> {
        self.set_service("disabled")
    }

    fn release_service(&self) -> Result<(), UpdateError> {
        self.set_service("given back")
    }
}

impl Rehearsal {
    #[expect(clippy::unnecessary_wraps, reason = "what the service manager may refuse")]
    fn set_service(&self, state: &str) -> Result<(), UpdateError> {
        self.note(&format!("service {state}"));
        self.keep(&Machine {
            service: state.to_owned(),
            ..self.machine()
        });
        Ok(())
    }
}
