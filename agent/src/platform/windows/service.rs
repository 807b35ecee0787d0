//! The agent as a Windows service.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use windows_service::service::{
    ServiceAccess, ServiceAction, ServiceActionType, ServiceControl, ServiceControlAccept,
    ServiceErrorControl, ServiceExitCode, ServiceFailureActions, ServiceFailureResetPeriod, ServiceInfo,
    ServiceStartType, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{self, ServiceControlHandlerResult, ServiceStatusHandle};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};
use windows_service::{define_windows_service, service_dispatcher};

use crate::platform::service_life::{Control, Life, Phase, Told};
use crate::platform::{Asked, register_events, unregister_events};

/// The service's name.
pub const NAME: &str = "muster-agent";

/// "The service process could not connect to the service controller": started by a person.
const NOT_A_SERVICE: i32 = 1063;
/// "The specified service does not exist as an installed service."
const NO_SUCH_SERVICE: i32 = 1060;
/// "The service has not been started."
const NOT_STARTED: i32 = 1062;

/// Longer than anybody waits for a machine to go down, and within what the manager can be told.
const LONGEST_BEFORE_SHUTDOWN: Duration = Duration::from_hours(24);

/// What `install` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The program that the service runs.
    pub unit: PathBuf,
    /// The service was started.
    pub started: bool,
}

/// What the service manager asks, once it does.
pub type StopSignal = watch::Receiver<Option<Asked>>;

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
        let again = |seconds| ServiceAction {
            action_type: ServiceActionType::Restart,
            delay: Duration::from_secs(seconds),
        };
        // A crash is not the end of the fleet's management; where this cannot be set the service still runs. The last
        // one counts for all that follow.
        service
            .update_failure_actions(ServiceFailureActions {
                reset_period: ServiceFailureResetPeriod::After(Duration::from_hours(24)),
                reboot_msg: None,
                command: None,
                actions: Some(vec![again(5), again(5), again(60)]),
            })
            .ok();
        // The same for a service that could not begin and says so with its code.
        service.set_failure_actions_on_non_crash_failures(true).ok();
        // Without it events show with a remark about a missing description.
        register_events().ok();
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
        service.delete().map_err(into_io)?;
        unregister_events().ok();
        Ok(())
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

/// The running service, for what it tells its manager.
static HANDLE: OnceLock<ServiceStatusHandle> = OnceLock::new();

/// How far it is. Held while the manager is told, so that it hears everything in its order.
static LIFE: Mutex<Life> = Mutex::new(Life::new());

fn serve() -> windows_service::Result<()> {
    let (ask, asked) = watch::channel(None);
    let handler = move |control| {
        let control = match control {
            ServiceControl::Interrogate => Control::Interrogate,
            ServiceControl::Stop => Control::Stop,
            ServiceControl::Shutdown => Control::Shutdown,
            ServiceControl::Preshutdown => Control::Preshutdown,
            _ => Control::Other,
        };
        let answer = with_life(|life| {
            let answer = life.control(control);
            tell(answer.told);
            answer
        });
        if let Some(word) = answer.asked {
            ask.send_replace(Some(word));
        }
        if answer.is_known {
            ServiceControlHandlerResult::NoError
        } else {
            ServiceControlHandlerResult::NotImplemented
        }
    };
    let handle = service_control_handler::register(NAME, handler)?;
    HANDLE.set(handle).ok();
    handle.set_service_status(status(with_life(|life| life.begun())))?;
    let exit = WORK.get().map_or(1, |work| work(asked));
    with_life(|life| tell(Some(life.ended(exit))));
    Ok(())
}

fn with_life<T>(act: impl FnOnce(&mut Life) -> T) -> T {
    act(&mut LIFE.lock().unwrap_or_else(PoisonError::into_inner))
}

fn tell(told: Option<Told>) {
    if let (Some(told), Some(handle)) = (told, HANDLE.get()) {
        // A manager that does not listen any more has nothing to ask either.
        handle.set_service_status(status(told)).ok();
    }
}

/// Tells the manager of a service that ends that it still works: a manager that hears nothing gives it up.
pub fn still_working() {
    with_life(|life| tell(life.sign_of_life()));
}

fn status(told: Told) -> ServiceStatus {
    ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state: match told.phase {
            Phase::Running => ServiceState::Running,
            Phase::Ending => ServiceState::StopPending,
            Phase::Ended => ServiceState::Stopped,
        },
        controls_accepted: if told.takes_controls {
            ServiceControlAccept::STOP | ServiceControlAccept::PRESHUTDOWN
        } else {
            ServiceControlAccept::empty()
        },
        // A code of the service's own counts as a failure, even 0.
        exit_code: match told.exit_code {
            0 => ServiceExitCode::NO_ERROR,
            code => ServiceExitCode::ServiceSpecific(code),
        },
        checkpoint: told.checkpoint,
        wait_hint: told.wait_hint,
        process_id: None,
    }
}

/// Sets how long the manager holds a shutdown back for this service.
///
/// # Errors
/// When the service is not installed or the manager refuses.
pub async fn allow_before_shutdown(length: Duration) -> io::Result<()> {
    in_thread(move || {
        let manager =
            ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CONNECT).map_err(into_io)?;
        manager
            .open_service(NAME, ServiceAccess::CHANGE_CONFIG)
            .and_then(|service| service.set_preshutdown_timeout(length.min(LONGEST_BEFORE_SHUTDOWN)))
            .map_err(into_io)
    })
    .await
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
