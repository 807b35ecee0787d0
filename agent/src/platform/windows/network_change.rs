//! The system's word that addresses of this machine changed.
#![expect(unsafe_code, reason = "a callback of the system")]

use std::ffi::c_void;
use std::io;
use std::sync::Arc;

use tokio::sync::Notify;
use windows_sys::Win32::Foundation::{HANDLE, NO_ERROR};
use windows_sys::Win32::NetworkManagement::IpHelper::{
    CancelMibChangeNotify2, MIB_NOTIFICATION_TYPE, MIB_UNICASTIPADDRESS_ROW, NotifyUnicastIpAddressChange,
};
use windows_sys::Win32::Networking::WinSock::AF_UNSPEC;

/// Hears of changes of addresses.
#[derive(Debug)]
pub struct NetworkChanges {
    /// Shared with the callback, which may run until the registration is cancelled.
    notify: Arc<Notify>,
    /// The registration, as a number so that the value may move between threads.
    handle: usize,
}

unsafe extern "system" fn heard(
    context: *const c_void,
    _row: *const MIB_UNICASTIPADDRESS_ROW,
    _kind: MIB_NOTIFICATION_TYPE,
) {
    // SAFETY: the context is the `Notify` behind the `Arc` of the value that registered, which lives until after
    // the registration was cancelled.
    if let Some(notify) = unsafe { context.cast::<Notify>().as_ref() } {
        notify.notify_one();
    }
}

impl NetworkChanges {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen() -> io::Result<Self> {
        let notify = Arc::new(Notify::new());
        let mut handle: HANDLE = std::ptr::null_mut();
        // SAFETY: the context outlives the registration (see `drop`), the handle is written to before it returns.
        let code = unsafe {
            NotifyUnicastIpAddressChange(
                AF_UNSPEC,
                Some(heard),
                Arc::as_ptr(&notify).cast(),
                false,
                &raw mut handle,
            )
        };
        if code != NO_ERROR {
            return Err(io::Error::from_raw_os_error(code.cast_signed()));
        }
        Ok(Self {
            notify,
            handle: handle as usize,
        })
    }

    /// Ready when something changed since the last time; one answer may stand for many changes.
    ///
    /// # Errors
    /// Never.
    pub async fn changed(&mut self) -> io::Result<()> {
        self.notify.notified().await;
        Ok(())
    }
}

impl Drop for NetworkChanges {
    fn drop(&mut self) {
        if self.handle != 0 {
            // SAFETY: the handle is of `NotifyUnicastIpAddressChange` and cancelled once; no callback runs after it
            // returned, so that `notify` may go then.
            unsafe { CancelMibChangeNotify2(self.handle as HANDLE) };
        }
    }
}
