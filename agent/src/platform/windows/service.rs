//! The agent as a Windows service.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use tokio::sync::watch;
use windows_service::service::{
    ServiceAccess, ServiceAction, ServiceActionType, ServiceControl, ServiceControlAccept,
    ServiceErrorControl, ServiceExitCode, ServiceFailureActions, ServiceFailureResetPeriod, ServiceInfo,
    ServiceStartType, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{self, ServiceControlHandlerResult};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};
use windows_service::{define_windows_service, service_dispatcher};

/// The service's name.
pub const NAME: &str = "muster-agent";

/// "The service process could not connect to the service controller": started by a person.
const NOT_A_SERVICE: i32 = 1063;
/// "The specified service does not exist as an installed service."
const NO_SUCH_SERVICE: i32 = 1060;
/// "The service has not been started."
const NOT_STARTED: i32 = 1062;

/// What `install` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The program that the service runs.
    pub unit: PathBuf,
    /// The service was started.
    pub started: bool,
}

/// Ready when the service manager asks to stop.
pub type StopSignal = watch::Receiver<bool>;

/// What `install` asks of the service manager, as the command that a person would type.
pub fn unit(program: &Path, root: Option<&Path>) -> String {
    let root = root.map_or_else(String::new, |root| format!(" --root \\\"{}\\\"", root.display()));
    format!(
        "sc.exe create {NAME} start= auto DisplayName= \"Muster agent\" binPath= \"\\\"{}\\\"{root} run\"\n",
        plain(program).display()
    )
}

/// The path without the prefix that canonical paths carry: the service manager shows it to people.
fn plain(program: &Path) -> PathBuf {
    let text = program.to_string_lossy();
    match text.strip_prefix(r"\\?\") {
        Some(rest) if !rest.starts_with("UNC") => PathBuf::from(rest),
        _ => program.to_path_buf(),
    }
}

/// Registers the service, to be started with the system, and starts it.
///
/// # Errors
/// When the service manager refuses.
pub async fn install(program: &Path, root: Option<&Path>) -> io::Result<Installed> {
    let program = plain(program);
    let root = root.map(Path::to_path_buf);
    in_thread(move || {
        let manager = ServiceManager::local_computer(
            None::<&str>,
            ServiceManagerAccess::CONNECT | ServiceManagerAccess::CREATE_SERVICE,
        )
        .map_err(into_io)?;
        let mut launch_arguments = Vec::new();
        if let Some(root) = root {
            launch_arguments.extend([OsString::from("--root"), root.into_os_string()]);
        }
        launch_arguments.push("run".into());
        let info = ServiceInfo {
            name: NAME.into(),
            display_name: "Muster agent".into(),
            service_type: ServiceType::OWN_PROCESS,
            start_type: ServiceStartType::AutoStart,
            error_control: ServiceErrorControl::Normal,
            executable_path: program.clone(),
            launch_arguments,
            dependencies: Vec::new(),
            account_name: None,
            account_password: None,
        };
        let access = ServiceAccess::CHANGE_CONFIG | ServiceAccess::START | ServiceAccess::QUERY_STATUS;
        let service = match manager.open_service(NAME, access) {
            Ok(service) => {
                service.change_config(&info).map_err(into_io)?;
                service
            }
            Err(error) if code_of(&error) == Some(NO_SUCH_SERVICE) => {
                manager.create_service(&info, access).map_err(into_io)?
            }
            Err(error) => return Err(into_io(error)),
        };
        service
            .set_description("Installs what this organisation's people signed")
            .map_err(into_io)?;
        let again = ServiceAction {
            action_type: ServiceActionType::Restart,
            delay: Duration::from_secs(5),
        };
        // A crash is not the end of the fleet's management; where this cannot be set the service still runs.
        service
            .update_failure_actions(ServiceFailureActions {
                reset_period: ServiceFailureResetPeriod::After(Duration::from_hours(24)),
                reboot_msg: None,
                command: None,
                actions: Some(vec![again.clone(), again.clone(), again]),
            })
            .ok();
        let running = service.query_status().map_err(into_io)?.current_state != ServiceState::Stopped;
        if !running {
            service.start::<&str>(&[]).map_err(into_io)?;
        }
        Ok(Installed {
            unit: program,
            started: true,
        })
    })
    .await
}

/// Stops the service and takes it out of the system. Does nothing when it was not installed.
///
/// # Errors
/// When the service manager refuses.
pub async fn uninstall(_root: Option<&Path>) -> io::Result<()> {
    in_thread(|| {
        let manager =
            ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CONNECT).map_err(into_io)?;
        let access = ServiceAccess::STOP | ServiceAccess::DELETE | ServiceAccess::QUERY_STATUS;
        let service = match manager.open_service(NAME, access) {
            Ok(service) => service,
            Err(error) if code_of(&error) == Some(NO_SUCH_SERVICE) => return Ok(()),
            Err(error) => return Err(into_io(error)),
        };
        match service.stop() {
            Err(error) if code_of(&error) != Some(NOT_STARTED) => return Err(into_io(error)),
            _ => {}
        }
        service.delete().map_err(into_io)
    })
    .await
}

async fn in_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

/// What runs under the service manager; its entry point takes no arguments of ours.
static WORK: OnceLock<fn(StopSignal) -> i32> = OnceLock::new();

define_windows_service!(service_entry, service_main);

/// Runs `work` under the service manager until it returns; `work` gives the exit code and ends when the
/// signal turns true. `false` says that a person started the program, not the manager.
///
/// # Errors
/// When the manager refuses.
pub fn run_under_manager(work: fn(StopSignal) -> i32) -> io::Result<bool> {
    WORK.set(work).ok();
    match service_dispatcher::start(NAME, service_entry) {
        Ok(()) => Ok(true),
        Err(error) if code_of(&error) == Some(NOT_A_SERVICE) => Ok(false),
        Err(error) => Err(into_io(error)),
    }
}

fn service_main(_arguments: Vec<OsString>) {
    if let Err(error) = serve() {
        tracing::error!(%error, "the service manager refused the agent");
    }
}

fn serve() -> windows_service::Result<()> {
    let (stop, signal) = watch::channel(false);
    let handler = move |control| match control {
        ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
        ServiceControl::Stop | ServiceControl::Shutdown | ServiceControl::Preshutdown => {
            stop.send_replace(true);
            ServiceControlHandlerResult::NoError
        }
        _ => ServiceControlHandlerResult::NotImplemented,
    };
    let handle = service_control_handler::register(NAME, handler)?;
    let status = |state, accepted, exit, hint| ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state: state,
        controls_accepted: accepted,
        exit_code: ServiceExitCode::ServiceSpecific(exit),
        checkpoint: 0,
        wait_hint: hint,
        process_id: None,
    };
    handle.set_service_status(status(
        ServiceState::Running,
        ServiceControlAccept::STOP | ServiceControlAccept::PRESHUTDOWN,
        0,
        Duration::ZERO,
    ))?;
    let exit = WORK.get().map_or(1, |work| work(signal));
    handle.set_service_status(status(
        ServiceState::Stopped,
        ServiceControlAccept::empty(),
        exit.unsigned_abs(),
        Duration::ZERO,
    ))
}

fn code_of(error: &windows_service::Error) -> Option<i32> {
    match error {
        windows_service::Error::Winapi(error) => error.raw_os_error(),
        _ => None,
    }
}

fn into_io(error: windows_service::Error) -> io::Error {
    match error {
        windows_service::Error::Winapi(error) => error,
        other => io::Error::other(other),
    }
}
