//! The service behind Windows Update: ready, at rest, or given back.
#![expect(unsafe_code, reason = "ChangeServiceConfigW")]

use std::time::Duration;

use windows_service::service::{ServiceAccess, ServiceStartType, ServiceState};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};

use crate::windows_update::UpdateError;

/// The service.
const SERVICE: &str = "wuauserv";
/// One that does not get where it should within this time is given up.
const PATIENCE: Duration = Duration::from_mins(1);

/// Enabled and started.
pub(super) fn start() -> Result<(), UpdateError> {
    set_start(ServiceStartType::OnDemand, "enabled")?;
    let failed = |error: windows_service::Error| service_failed("started", &error);
    let service = open(ServiceAccess::START | ServiceAccess::QUERY_STATUS).map_err(failed)?;
    let state = service.query_status().map_err(failed)?.current_state;
    if state != ServiceState::Running {
        service.start::<&str>(&[]).map_err(failed)?;
    }
    wait_for(&service, ServiceState::Running, "started")
}

/// Stopped and disabled.
pub(super) fn rest() -> Result<(), UpdateError> {
    let failed = |error: windows_service::Error| service_failed("stopped", &error);
    let service = open(ServiceAccess::STOP | ServiceAccess::QUERY_STATUS).map_err(failed)?;
    if service.query_status().map_err(failed)?.current_state != ServiceState::Stopped {
        service.stop().map_err(failed)?;
        wait_for(&service, ServiceState::Stopped, "stopped")?;
    }
    set_start(ServiceStartType::Disabled, "disabled")
}

/// Started when the system wants it.
pub(super) fn release() -> Result<(), UpdateError> {
    set_start(ServiceStartType::OnDemand, "enabled")
}

fn open(access: ServiceAccess) -> Result<windows_service::service::Service, windows_service::Error> {
    ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CONNECT)?.open_service(SERVICE, access)
}

/// Changes how the service starts and nothing else of it.
fn set_start(start: ServiceStartType, action: &'static str) -> Result<(), UpdateError> {
    let failed = |error: windows_service::Error| service_failed(action, &error);
    let service = open(ServiceAccess::QUERY_CONFIG | ServiceAccess::CHANGE_CONFIG).map_err(failed)?;
    let config = service.query_config().map_err(failed)?;
    if config.start_type == start {
        return Ok(());
    }
    change_start(&service, start).map_err(|source| UpdateError::Service {
        action,
        reason: source.to_string(),
    })
}

/// `windows-service` would write the whole configuration again, with quotation marks around the program that
/// do not belong there.
fn change_start(service: &windows_service::service::Service, start: ServiceStartType) -> std::io::Result<()> {
    use windows_sys::Win32::System::Services::{ChangeServiceConfigW, SERVICE_NO_CHANGE};
    // SAFETY: the handle is open with the right to change; what is not changed may be null.
    let changed = unsafe {
        ChangeServiceConfigW(
            service.raw_handle().cast(),
            SERVICE_NO_CHANGE,
            start.to_raw(),
            SERVICE_NO_CHANGE,
            std::ptr::null(),
            std::ptr::null(),
            std::ptr::null_mut(),
            std::ptr::null(),
            std::ptr::null(),
            std::ptr::null(),
            std::ptr::null(),
        )
    };
    if changed == 0 {
        Err(std::io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn wait_for(
    service: &windows_service::service::Service,
    wanted: ServiceState,
    action: &'static str,
) -> Result<(), UpdateError> {
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        let state = service
            .query_status()
            .map_err(|error| service_failed(action, &error))?
            .current_state;
        if state == wanted {
            return Ok(());
        }
        if std::time::Instant::now() >= until {
            return Err(UpdateError::Service {
                action,
                reason: format!("it is still {state:?} after {} s", PATIENCE.as_secs()),
            });
        }
        std::thread::sleep(Duration::from_millis(250));
    }
}

fn service_failed(action: &'static str, error: &windows_service::Error) -> UpdateError {
    UpdateError::Service {
        action,
        reason: muster_shared::hint::chain(error),
    }
}
