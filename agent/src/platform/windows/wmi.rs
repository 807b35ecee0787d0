//! Questions to WMI: the objects of a class with some of their properties.
#![expect(unsafe_code, reason = "IWbemServices")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;
use windows::Win32::System::Com::{
    CLSCTX_INPROC_SERVER, CoCreateInstance, CoSetProxyBlanket, EOAC_NONE, RPC_C_AUTHN_LEVEL_CALL,
    RPC_C_IMP_LEVEL_IMPERSONATE,
};
use windows::Win32::System::Variant::VARIANT;
use windows::Win32::System::Wmi::{
    IWbemClassObject, IWbemLocator, IWbemServices, WBEM_FLAG_CONNECT_USE_MAX_WAIT, WBEM_FLAG_FORWARD_ONLY,
    WBEM_FLAG_RETURN_IMMEDIATELY, WbemLocator,
};
use windows::core::{BSTR, HSTRING, PCWSTR, Result};

use super::com::{Com, plain};

/// `RPC_C_AUTHN_WINNT` and `RPC_C_AUTHZ_NONE`.
const AUTHN_WINNT: u32 = 10;
const AUTHZ_NONE: u32 = 0;
/// One wait for the next object.
const PATIENCE_MS: i32 = 10_000;
/// No class is read for longer.
const LIMIT: Duration = Duration::from_secs(20);
/// At most this many objects of a class.
const MOST: usize = 2000;

/// A connection to `root\cimv2`.
pub(super) struct Wmi {
    services: IWbemServices,
    // Fields drop in this order: interfaces go before COM.
    _com: Com,
}

impl Wmi {
    /// Connects, within the two minutes that WMI gives itself.
    pub(super) fn connect() -> Result<Self> {
        let com = Com::start()?;
        // SAFETY: COM is ready on this thread; every string lives until its call returns.
        let services = unsafe {
            let locator: IWbemLocator = CoCreateInstance(&WbemLocator, None, CLSCTX_INPROC_SERVER)?;
            let services = locator.ConnectServer(
                &BSTR::from(r"ROOT\CIMV2"),
                &BSTR::new(),
                &BSTR::new(),
                &BSTR::new(),
                WBEM_FLAG_CONNECT_USE_MAX_WAIT.0,
                &BSTR::new(),
                None,
            )?;
            CoSetProxyBlanket(
                &services,
                AUTHN_WINNT,
                AUTHZ_NONE,
                PCWSTR::null(),
                RPC_C_AUTHN_LEVEL_CALL,
                RPC_C_IMP_LEVEL_IMPERSONATE,
                None,
                EOAC_NONE,
            )?;
            services
        };
        Ok(Self { services, _com: com })
    }

    /// The objects of a class. Properties that the class does not have are left out; class and properties are
    /// words of ours, never input.
    pub(super) fn objects(&self, class: &str, properties: &[&str]) -> Result<Vec<BTreeMap<String, Value>>> {
        // Naming the properties in the query would refuse the whole class for one that this version lacks.
        let query = BSTR::from(format!("SELECT * FROM {class}"));
        // SAFETY: the strings live until the call returns.
        let found = unsafe {
            self.services.ExecQuery(
                &BSTR::from("WQL"),
                &query,
                WBEM_FLAG_FORWARD_ONLY | WBEM_FLAG_RETURN_IMMEDIATELY,
                None,
            )?
        };
        let until = Instant::now() + LIMIT;
        let mut rows = Vec::new();
        while rows.len() < MOST && Instant::now() < until {
            let mut next: [Option<IWbemClassObject>; 1] = [None];
            let mut count = 0_u32;
            // SAFETY: the array has room for the one object that is asked for; both outlive the call.
            unsafe { found.Next(PATIENCE_MS, &mut next, &raw mut count) }.ok()?;
            let [Some(object)] = next else { break };
            rows.push(
                properties
                    .iter()
                    .filter_map(|name| Some(((*name).to_owned(), property(&object, name)?)))
                    .collect(),
            );
        }
        Ok(rows)
    }
}

fn property(object: &IWbemClassObject, name: &str) -> Option<Value> {
    let name = HSTRING::from(name);
    let mut variant = VARIANT::default();
    // SAFETY: the name ends with a NUL and lives until the call returns, as does the variant.
    unsafe { object.Get(&name, 0, &raw mut variant, None, None) }.ok()?;
    Some(plain(&variant))
}
