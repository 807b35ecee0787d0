//! `muster-agent run-hook`: one hook of a folder of package sources, here and now, for its developer.
//!
//! Nothing is verified, because the sources are the developer's own; nothing is recorded, and neither the
//! machine's agent nor its configuration is touched: the script host works below a temporary root.

use std::path::{Path, PathBuf};
use std::time::Duration;

use muster_shared::control::Control;
use muster_shared::hint::chain;
use muster_shared::package::build::read_control;
use muster_shared::protocol::error::ErrorCode;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::order::current_user;
use super::{Common, Done};
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::paths::Paths;
use crate::platform;
use crate::schedule::parse_period;
use crate::script::{Hook, HookRun, Limits, ScriptHost, Subject, Verdict};

/// The largest script that is run, in bytes: as in a package.
const MAX_SCRIPT_BYTES: u64 = 4 * 1024 * 1024;

/// Run one hook of a folder of package sources on this machine, now: for package developers.
///
/// The sources are not verified, nothing is recorded, and it runs with the rights of whoever calls. Exit
/// code 3 when the hook fails or says anything but OK.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Folder of the sources: it holds WAPT/control and setup.py
    #[arg(value_name = "DIR")]
    sources: PathBuf,
    #[arg(value_enum)]
    hook: HookName,
    /// The script's `force`.
    #[arg(short, long)]
    force: bool,
    /// The script's `params`: a JSON object.
    #[arg(long, value_name = "JSON", value_parser = parameters)]
    params: Option<Value>,
    /// End the hook when it runs longer, such as 90s or 2h.
    #[arg(long, value_name = "PERIOD", value_parser = period)]
    timeout: Option<Duration>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum HookName {
    Install,
    Uninstall,
    SessionSetup,
    Audit,
    UpdatePackage,
}

impl HookName {
    fn hook(self) -> Hook {
        match self {
            Self::Install => Hook::Install,
            Self::Uninstall => Hook::Uninstall,
            Self::SessionSetup => Hook::SessionSetup,
            Self::Audit => Hook::Audit,
            Self::UpdatePackage => Hook::UpdatePackage,
        }
    }
}

fn parameters(text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_other) => Err("parameters are an object, such as {\"name\": \"value\"}".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn period(text: &str) -> Result<Duration, String> {
    parse_period(text).ok_or_else(|| "a duration such as 90s, 30m, 2h or 1d".to_owned())
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    let folder =
        fs_err::canonicalize(&arguments.sources).map_err(|error| Failure::new(ErrorCode::NotFound, error))?;
    let before = control_of(&folder)?;
    let setup_py = script_of(&folder)?;
    let root = tempfile::Builder::new()
        .prefix("muster-hook-")
        .tempdir()
        .map_err(|error| Failure::new(ErrorCode::Internal, format!("no temporary folder: {error}")))?;
    let paths = Paths::new(Some(root.path()));
    let persistent = paths.persistent_dir().join("sources");
    platform::lock_down_dir(&persistent)
        .map_err(|error| Failure::new(ErrorCode::Internal, format!("no temporary folder: {error}")))?;
    // The Python and the limits that the machine's agent is configured with are those its packages meet.
    let config = Config::load(&common.paths()).unwrap_or_default();
    let mut host = ScriptHost::new(&paths, &config, "").on_machine();
    if let Some(total) = arguments.timeout {
        host = host.with_limits(Limits {
            total,
            idle: total.min(config.script_idle_timeout),
        });
    }
    let params = match &arguments.params {
        Some(Value::Object(params)) => params.clone(),
        _ => Map::new(),
    };
    let user = current_user();
    let subject = Subject {
        control: &before,
        setup_py: &setup_py,
        params: &params,
        package_dir: Some(&folder),
        persistent_dir: &persistent,
        uninstall_keys: None,
        force: arguments.force,
        user: &user,
    };
    let hook = arguments.hook.hook();
    let outcome = run_cancellable(&host, hook, &subject, common).await?;
    Ok(answer(common, hook, &outcome, &before, &control_of(&folder)?))
}

async fn run_cancellable(
    host: &ScriptHost,
    hook: Hook,
    subject: &Subject<'_>,
    common: &Common,
) -> Result<HookRun, Failure> {
    let cancel = CancellationToken::new();
    let interrupt = tokio::spawn({
        let cancel = cancel.clone();
        async move {
            if platform::shutdown_signal().await.is_ok() {
                cancel.cancel();
            }
        }
    });
    let output = common.output();
    let run = host
        .run(hook, subject, &cancel, |_percent, text| {
            if output.is_json() {
                use std::io::Write as _;
                writeln!(std::io::stderr().lock(), "{text}").ok();
            } else {
                output.line(text);
            }
        })
        .await;
    interrupt.abort();
    run.map_err(|error| Failure::from_hinted(ErrorCode::Internal, error))
}

fn control_of(folder: &Path) -> Result<Control, Failure> {
    read_control(folder).map_err(|error| {
        Failure::new(
            ErrorCode::RequestInvalid,
            format!("{} holds no package sources: {}", folder.display(), chain(&error)),
        )
        .with_hint("give the folder that holds WAPT/control")
    })
}

/// The script; empty when the sources only carry `update_package.py`.
fn script_of(folder: &Path) -> Result<String, Failure> {
    use std::io::Read as _;
    let path = folder.join("setup.py");
    if !path.exists() && folder.join("update_package.py").is_file() {
        return Ok(String::new());
    }
    let failed = |error: std::io::Error| Failure::new(ErrorCode::NotFound, error);
    let mut bytes = Vec::new();
    fs_err::File::open(&path)
        .map_err(failed)?
        .take(MAX_SCRIPT_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_SCRIPT_BYTES {
        return Err(Failure::new(
            ErrorCode::RequestInvalid,
            format!("{} is larger than {MAX_SCRIPT_BYTES} bytes", path.display()),
        ));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn answer(common: &Common, hook: Hook, run: &HookRun, before: &Control, after: &Control) -> Option<Exit> {
    let (status, error) = match &run.verdict {
        Verdict::Done { status } => (status.as_str(), None),
        Verdict::Absent => ("ABSENT", None),
        Verdict::Raised(failure) => ("ERROR", Some(failure.to_string())),
        Verdict::Ended { reason } => ("ERROR", Some(reason.clone())),
    };
    let value = json!({
        "hook": hook.as_str(),
        "package": after.package(),
        "status": status,
        "error": error,
        "changed": run.changed || after != before,
        "version_before": before.version(),
        "version": after.version(),
        "uninstall_keys": run.uninstall_keys,
        "missing_keys": run.missing_keys,
        "new_keys": run.new_keys,
        "log": run.log,
    });
    if common.output().is_json() {
        common.output().answer(&value, |_value| String::new());
    } else {
        let mut text = format!("{}(): {status}", hook.as_str());
        if status == "ABSENT" {
            text = format!("the sources have no {}()", hook.as_str());
        }
        if let Some(error) = &error {
            text = format!("{}(): {error}", hook.as_str());
        }
        common.output().progress(None, &text);
        if !run.new_keys.is_empty() {
            let keys = run.new_keys.join("', '");
            common
                .output()
                .progress(None, &format!("uninstall keys that appeared: '{keys}'"));
        }
    }
    (status != "OK").then_some(Exit::Packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_an_object() {
        assert!(parameters("{\"a\": 1}").is_ok());
        assert!(parameters("[1]").is_err() && parameters("{").is_err());
    }

    #[test]
    fn sources_without_a_script_are_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let failure = script_of(dir.path()).unwrap_err();
        assert!(failure.to_string().contains("setup.py"), "{failure}");
        fs_err::write(
            dir.path().join("update_package.py"),
            "def update_package():\n    pass\n",
        )
        .unwrap();
        assert_eq!(script_of(dir.path()).unwrap(), "");
    }
}
