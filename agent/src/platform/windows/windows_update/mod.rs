//! The Windows Update Agent, over COM: thin, because nothing of it can be proved without a real Windows.
#![expect(unsafe_code, reason = "the COM interfaces of the Windows Update Agent")]

mod found;
mod service;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use muster_shared::protocol::inventory::UpdateEvent;
use windows::Win32::Foundation::{VARIANT_FALSE, VARIANT_TRUE};
use windows::Win32::System::Com::{CLSCTX_INPROC_SERVER, CoCreateInstance};
use windows::Win32::System::UpdateAgent::{
    IStringCollection, IUpdate, IUpdate2, IUpdateCollection, IUpdateSearcher, IUpdateServiceManager,
    IUpdateSession, IWindowsUpdateAgentInfo, OperationResultCode, StringCollection, UpdateCollection,
    UpdateServiceManager, UpdateSession, WindowsUpdateAgentInfo, orcAborted, orcFailed, orcSucceeded,
    orcSucceededWithErrors, ssOthers, uoUninstallation,
};
use windows::Win32::System::Variant::VARIANT;
use windows::core::{BSTR, Interface as _};

use self::found::{described, id_of, time_of};
use super::com::{Com, plain};
use crate::windows_update::{
    Done, FoundUpdate, Installation, MAX_UPDATES, Search, Source, Steps, UpdateAgent, UpdateError, code_text,
};

/// How the agent names itself to the update agent.
const CLIENT: &str = "Muster";

/// What the catalogue is called among the services of the update agent, as long as a search lasts.
const CATALOGUE: &str = "Muster offline catalogue";

/// The update agent of this system.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Linux")]
pub fn windows_update_agent() -> Option<Arc<dyn UpdateAgent>> {
    if let Some(rehearsal) = crate::windows_update::rehearsal() {
        return Some(rehearsal);
    }
    Some(Arc::new(Wua))
}

/// Its version, when it says.
pub(in crate::platform) fn agent_version() -> Option<String> {
    Wua.version().ok().filter(|version| !version.is_empty())
}

#[derive(Debug)]
struct Wua;

/// A search that was made: its updates, and the interfaces that act on them. Fields drop in this order: every
/// interface goes before COM does.
struct Found {
    updates: Vec<IUpdate>,
    session: IUpdateSession,
    _catalogue: Option<Catalogue>,
    _com: Com,
}

/// A catalogue that was added for a search. It is taken away again: the system keeps what is added over restarts.
struct Catalogue {
    manager: IUpdateServiceManager,
    service: BSTR,
}

impl Drop for Catalogue {
    fn drop(&mut self) {
        // SAFETY: COM is ready as long as an interface lives (see `Found`); the string outlives the call.
        unsafe { self.manager.RemoveService(&self.service) }.ok();
    }
}

impl Catalogue {
    fn add(file: &Path) -> windows::core::Result<Self> {
        // SAFETY: COM is ready on this thread, which the caller sees to; every string lives until its call returns.
        unsafe {
            let manager: IUpdateServiceManager =
                CoCreateInstance(&UpdateServiceManager, None, CLSCTX_INPROC_SERVER)?;
            Self::remove_old(&manager);
            let path = BSTR::from(file.to_string_lossy().as_ref());
            let added = manager.AddScanPackageService(&BSTR::from(CATALOGUE), &path, 0)?;
            let service = added.ServiceID()?;
            Ok(Self { manager, service })
        }
    }

    /// Takes away what an agent left that was ended in the middle of a search.
    fn remove_old(manager: &IUpdateServiceManager) {
        // SAFETY: as in `add`.
        unsafe {
            let Ok(services) = manager.Services() else { return };
            for index in 0..services.Count().unwrap_or(0) {
                let Ok(service) = services.get_Item(index) else {
                    continue;
                };
                if service.Name().is_ok_and(|name| name == CATALOGUE)
                    && let Ok(id) = service.ServiceID()
                {
                    manager.RemoveService(&id).ok();
                }
            }
        }
    }
}

impl Wua {
    fn find(search: &Search, action: &'static str) -> Result<Found, UpdateError> {
        let failed = |error: windows::core::Error| refused(action, &error);
        // Made before everything that needs it: what is made later goes first, also when a step fails.
        let com = Com::start().map_err(failed)?;
        let catalogue = match &search.source {
            Source::Online => None,
            Source::Catalogue(file) => Some(Catalogue::add(file).map_err(failed)?),
        };
        let (session, updates) = Self::search_in(search, catalogue.as_ref(), action)?;
        Ok(Found {
            updates,
            session,
            _catalogue: catalogue,
            _com: com,
        })
    }

    fn search_in(
        search: &Search,
        catalogue: Option<&Catalogue>,
        action: &'static str,
    ) -> Result<(IUpdateSession, Vec<IUpdate>), UpdateError> {
        let failed = |error: windows::core::Error| refused(action, &error);
        // SAFETY: COM is ready on this thread; every string lives until its call returns.
        unsafe {
            let session: IUpdateSession =
                CoCreateInstance(&UpdateSession, None, CLSCTX_INPROC_SERVER).map_err(failed)?;
            session
                .SetClientApplicationID(&BSTR::from(CLIENT))
                .map_err(failed)?;
            let searcher: IUpdateSearcher = session.CreateUpdateSearcher().map_err(failed)?;
            if let Some(catalogue) = catalogue {
                searcher.SetServerSelection(ssOthers).map_err(failed)?;
                searcher.SetServiceID(&catalogue.service).map_err(failed)?;
                searcher.SetOnline(VARIANT_FALSE).map_err(failed)?;
            }
            let result = searcher
                .Search(&BSTR::from(search.criteria.as_str()))
                .map_err(failed)?;
            let code = result.ResultCode().map_err(failed)?;
            if code == orcFailed || code == orcAborted {
                return Err(UpdateError::Refused {
                    action,
                    reason: format!("the search {}", result_word(code)),
                    code: None,
                });
            }
            let list = result.Updates().map_err(failed)?;
            let count = list.Count().map_err(failed)?;
            let updates = (0..count.min(i32::try_from(MAX_UPDATES).unwrap_or(i32::MAX)))
                .filter_map(|index| list.get_Item(index).ok())
                .collect();
            Ok((session, updates))
        }
    }
}

impl Found {
    /// The updates with these identifiers, with each identifier.
    fn with(&self, ids: &[String]) -> Vec<(String, IUpdate)> {
        self.updates
            .iter()
            .filter_map(|update| Some((id_of(update)?, update.clone())))
            .filter(|(id, _update)| ids.contains(id))
            .collect()
    }
}

impl UpdateAgent for Wua {
    fn version(&self) -> Result<String, UpdateError> {
        let failed = |error: windows::core::Error| refused("say its version", &error);
        let _com = Com::start().map_err(failed)?;
        // SAFETY: COM is ready on this thread; the name lives until its call returns.
        let value = unsafe {
            let info: IWindowsUpdateAgentInfo =
                CoCreateInstance(&WindowsUpdateAgentInfo, None, CLSCTX_INPROC_SERVER).map_err(failed)?;
            info.GetInfo(&VARIANT::from("ProductVersionString"))
                .map_err(failed)?
        };
        Ok(plain(&value).as_str().unwrap_or_default().to_owned())
    }

    fn stamp(&self) -> String {
        let count = || -> windows::core::Result<i32> {
            let _com = Com::start()?;
            // SAFETY: COM is ready on this thread.
            unsafe {
                let session: IUpdateSession = CoCreateInstance(&UpdateSession, None, CLSCTX_INPROC_SERVER)?;
                session.CreateUpdateSearcher()?.GetTotalHistoryCount()
            }
        };
        count().map_or_else(|_error| String::new(), |count| count.to_string())
    }

    fn search(&self, search: &Search) -> Result<Vec<FoundUpdate>, UpdateError> {
        let found = Self::find(search, "search for updates")?;
        Ok(found.updates.iter().filter_map(described).collect())
    }

    fn provide(
        &self,
        search: &Search,
        files: &BTreeMap<String, Vec<PathBuf>>,
    ) -> Result<Vec<Done>, UpdateError> {
        let found = Self::find(search, "take the files of updates")?;
        let ids: Vec<String> = files.keys().cloned().collect();
        Ok(found
            .with(&ids)
            .into_iter()
            .map(|(id, update)| {
                let paths = files.get(&id).map(Vec::as_slice).unwrap_or_default();
                let taken = copy_to_cache(&update, paths);
                done(id, taken)
            })
            .collect())
    }

    fn download(&self, search: &Search, ids: &[String], steps: Steps<'_>) -> Result<Vec<Done>, UpdateError> {
        let found = Self::find(search, "download updates")?;
        let chosen = found.with(ids);
        let mut all = Vec::new();
        for (index, (id, update)) in chosen.iter().enumerate() {
            steps(index, chosen.len());
            all.push(done(id.clone(), download_one(&found.session, update)));
        }
        Ok(all)
    }

    fn install(
        &self,
        search: &Search,
        ids: &[String],
        steps: Steps<'_>,
        goes_on: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<Installation, UpdateError> {
        let found = Self::find(search, "install updates")?;
        let chosen = found.with(ids);
        let mut installation = Installation::default();
        for (index, (id, update)) in chosen.iter().enumerate() {
            if !goes_on() {
                break;
            }
            steps(index, chosen.len());
            match install_one(&found.session, update) {
                Ok((code, reboot)) => {
                    installation.reboot_required |= reboot;
                    installation.done.push(done(id.clone(), Ok(code)));
                }
                Err(error) => installation.done.push(done(id.clone(), Err(error))),
            }
        }
        Ok(installation)
    }

    fn history(&self, most: usize) -> Result<Vec<UpdateEvent>, UpdateError> {
        let failed = |error: windows::core::Error| refused("say what was installed", &error);
        let _com = Com::start().map_err(failed)?;
        // SAFETY: COM is ready on this thread.
        unsafe {
            let session: IUpdateSession =
                CoCreateInstance(&UpdateSession, None, CLSCTX_INPROC_SERVER).map_err(failed)?;
            let searcher = session.CreateUpdateSearcher().map_err(failed)?;
            let total = searcher.GetTotalHistoryCount().map_err(failed)?;
            let wanted = total.min(i32::try_from(most).unwrap_or(i32::MAX));
            if wanted <= 0 {
                return Ok(Vec::new());
            }
            let entries = searcher.QueryHistory(0, wanted).map_err(failed)?;
            let mut list = Vec::new();
            for index in 0..entries.Count().map_err(failed)? {
                let Ok(entry) = entries.get_Item(index) else {
                    continue;
                };
                let id = entry.UpdateIdentity().and_then(|identity| {
                    Ok(format!("{}_{}", identity.UpdateID()?, identity.RevisionNumber()?))
                });
                let code = entry.HResult().unwrap_or(0).cast_unsigned();
                list.push(UpdateEvent {
                    update_id: id.unwrap_or_default(),
                    title: entry.Title().map(|title| title.to_string()).unwrap_or_default(),
                    operation: match entry.Operation() {
                        Ok(operation) if operation == uoUninstallation => "uninstall",
                        _ => "install",
                    }
                    .to_owned(),
                    result: entry.ResultCode().map(result_word).unwrap_or_default().to_owned(),
                    code: code_text(code),
                    at: entry.Date().ok().and_then(time_of),
                });
            }
            Ok(list)
        }
    }

    fn start_service(&self) -> Result<(), UpdateError> {
        service::start()
    }

    fn rest_service(&self) -> Result<(), UpdateError> {
        service::rest()
    }

    fn release_service(&self) -> Result<(), UpdateError> {
        service::release()
    }
}

fn refused(action: &'static str, error: &windows::core::Error) -> UpdateError {
    UpdateError::Refused {
        action,
        reason: error.message(),
        code: Some(error.code().0.cast_unsigned()),
    }
}

fn done(id: String, result: windows::core::Result<u32>) -> Done {
    let (code, reason) = match result {
        Ok(0) => (0, String::new()),
        Ok(code) => (code, format!("Windows Update says {}", code_text(code))),
        Err(error) => (error.code().0.cast_unsigned(), error.message()),
    };
    Done {
        succeeded: code == 0,
        id,
        code,
        reason,
    }
}

fn result_word(code: OperationResultCode) -> &'static str {
    if code == orcSucceeded {
        "succeeded"
    } else if code == orcSucceededWithErrors {
        "succeeded-with-errors"
    } else if code == orcAborted {
        "aborted"
    } else if code == orcFailed {
        "failed"
    } else {
        ""
    }
}

/// Puts files into the cache of an update, or of the updates that it bundles.
fn copy_to_cache(update: &IUpdate, paths: &[PathBuf]) -> windows::core::Result<u32> {
    // SAFETY: COM is ready on this thread; strings live until their call returns.
    unsafe {
        let files: IStringCollection = CoCreateInstance(&StringCollection, None, CLSCTX_INPROC_SERVER)?;
        for path in paths {
            files.Add(&BSTR::from(path.to_string_lossy().as_ref()))?;
        }
        let bundled = update.BundledUpdates()?;
        let count = bundled.Count()?;
        if count == 0 {
            update.cast::<IUpdate2>()?.CopyToCache(&files)?;
        }
        for index in 0..count {
            bundled.get_Item(index)?.cast::<IUpdate2>()?.CopyToCache(&files)?;
        }
    }
    Ok(0)
}

fn collection_of(update: &IUpdate) -> windows::core::Result<IUpdateCollection> {
    // SAFETY: COM is ready on this thread, the interface is alive while it is borrowed.
    unsafe {
        let list: IUpdateCollection = CoCreateInstance(&UpdateCollection, None, CLSCTX_INPROC_SERVER)?;
        if !update.EulaAccepted()?.as_bool() {
            update.AcceptEula()?;
        }
        list.Add(update)?;
        Ok(list)
    }
}

fn download_one(session: &IUpdateSession, update: &IUpdate) -> windows::core::Result<u32> {
    let list = collection_of(update)?;
    // SAFETY: the interfaces are alive while they are borrowed.
    unsafe {
        let downloader = session.CreateUpdateDownloader()?;
        downloader.SetUpdates(&list)?;
        let result = downloader.Download()?;
        code_of(result.ResultCode()?, result.HResult()?)
    }
}

fn install_one(session: &IUpdateSession, update: &IUpdate) -> windows::core::Result<(u32, bool)> {
    let list = collection_of(update)?;
    // SAFETY: the interfaces are alive while they are borrowed.
    unsafe {
        let installer = session.CreateUpdateInstaller()?;
        installer.SetUpdates(&list)?;
        installer.SetAllowSourcePrompts(VARIANT_FALSE)?;
        installer.SetIsForced(VARIANT_FALSE)?;
        let result = installer.Install()?;
        let code = result
            .GetUpdateResult(0)
            .and_then(|one| one.HResult())
            .or_else(|_error| result.HResult())?;
        let reboot = result.RebootRequired()? == VARIANT_TRUE;
        Ok((code_of(result.ResultCode()?, code)?, reboot))
    }
}

/// The code that counts: one that says failure without a code is one of its own.
#[expect(clippy::unnecessary_wraps, reason = "ends a chain of calls that may fail")]
fn code_of(result: OperationResultCode, code: i32) -> windows::core::Result<u32> {
    /// `E_FAIL`.
    const FAILED: u32 = 0x8000_4005;
    Ok(match code.cast_unsigned() {
        _ if result == orcSucceeded || result == orcSucceededWithErrors => 0,
        0 => FAILED,
        code => code,
    })
}
