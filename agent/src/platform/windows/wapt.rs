//! A WAPT agent on this system: where it is, and its service.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;
use windows_service::service::{ServiceAccess, ServiceInfo, ServiceStartType, ServiceState};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};

/// The services of the agent.
pub const SERVICES: &[&str] = &["WAPTService"];

/// How long it may take to stop.
const PATIENCE: Duration = Duration::from_mins(3);

/// "The specified service does not exist as an installed service."
const NO_SUCH_SERVICE: i32 = 1060;

/// Where WAPT installs itself.
pub fn folders() -> Vec<PathBuf> {
    let programs = |variable: &str, default: &str| {
        std::env::var_os(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .unwrap_or_else(|| PathBuf::from(default))
            .join("wapt")
    };
    vec![
        programs("ProgramFiles(x86)", r"C:\Program Files (x86)"),
        programs("ProgramFiles", r"C:\Program Files"),
        PathBuf::from(r"C:\wapt"),
    ]
}

/// Whether there is such a service.
#[expect(clippy::unused_async, reason = "the other platform asks a program")]
pub async fn has_service(name: &str) -> bool {
    open(name, ServiceAccess::QUERY_STATUS).is_ok_and(|service| service.is_some())
}

/// Stops a service and keeps it from starting with the machine. `false` when there is none.
///
/// # Errors
/// When the service manager refuses.
pub async fn disable_service(name: &str) -> io::Result<bool> {
    let access = ServiceAccess::QUERY_STATUS
        | ServiceAccess::QUERY_CONFIG
        | ServiceAccess::CHANGE_CONFIG
        | ServiceAccess::STOP;
    let Some(service) = open(name, access)? else {
        return Ok(false);
    };
    let config = service.query_config().map_err(into_io)?;
    let info = ServiceInfo {
        name: name.into(),
        display_name: config.display_name,
        service_type: config.service_type,
        start_type: ServiceStartType::Disabled,
        error_control: config.error_control,
        executable_path: config.executable_path,
        launch_arguments: Vec::new(),
        dependencies: config.dependencies,
        account_name: config.account_name,
        account_password: None,
    };
    service.change_config(&info).map_err(into_io)?;
    // One that does not run says so; whether it stopped is looked at below.
    service.stop().ok();
    let deadline = Instant::now() + PATIENCE;
    while service.query_status().map_err(into_io)?.current_state != ServiceState::Stopped {
        if Instant::now() >= deadline {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("{name} does not stop"),
            ));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(true)
}

fn open(name: &str, access: ServiceAccess) -> io::Result<Option<windows_service::service::Service>> {
    let manager =
        ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CONNECT).map_err(into_io)?;
    match manager.open_service(name, access).map_err(into_io) {
        Ok(service) => Ok(Some(service)),
        Err(error) if error.raw_os_error() == Some(NO_SUCH_SERVICE) => Ok(None),
        Err(error) => Err(error),
    }
}

fn into_io(error: windows_service::Error) -> io::Error {
    match error {
        windows_service::Error::Winapi(error) => error,
        other => io::Error::other(other),
    }
}

/// Files below Program Files are readable by everybody as they are made, unless they were closed on purpose.
///
/// # Errors
/// When the file cannot be written again.
pub fn let_everybody_read(path: &Path) -> io::Result<()> {
    // A new file inherits the rights of its folder; the closed one did not.
    let bytes = fs_err::read(path)?;
    fs_err::remove_file(path)?;
    fs_err::write(path, bytes)
}
