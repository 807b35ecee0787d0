//! COM on a thread of ours, and the plain values that its variants hold.
#![expect(unsafe_code, reason = "COM and its variants")]

use std::marker::PhantomData;

use windows::Win32::System::Com::{COINIT_MULTITHREADED, CoInitializeEx, CoUninitialize};
use windows::Win32::System::Variant::{
    VARIANT, VT_BOOL, VT_BSTR, VT_DATE, VT_I1, VT_I2, VT_I4, VT_I8, VT_INT, VT_R4, VT_R8, VT_UI1, VT_UI2,
    VT_UI4, VT_UI8, VT_UINT,
};

/// COM is ready on this thread as long as this value lives. Interfaces must go before it.
pub(super) struct Com {
    /// It belongs to its thread.
    _not_send: PhantomData<*const ()>,
}

impl Com {
    /// Makes COM ready.
    pub(super) fn start() -> windows::core::Result<Self> {
        // SAFETY: the reserved argument is null; each success is undone once, on the same thread.
        unsafe { CoInitializeEx(None, COINIT_MULTITHREADED) }.ok()?;
        Ok(Self {
            _not_send: PhantomData,
        })
    }
}

impl Drop for Com {
    fn drop(&mut self) {
        // SAFETY: pairs with the success in `start`, on the same thread because the value cannot be sent.
        unsafe { CoUninitialize() };
    }
}

/// The plain value of a variant; null for arrays, objects and what else JSON has no word for.
pub(super) fn plain(variant: &VARIANT) -> serde_json::Value {
    use serde_json::json;
    // SAFETY: the tag says which field of the union is valid; `windows` keeps the two together.
    unsafe {
        let inner = &variant.Anonymous.Anonymous;
        let value = &inner.Anonymous;
        match inner.vt {
            VT_BSTR => json!(value.bstrVal.to_string()),
            VT_BOOL => json!(value.boolVal.as_bool()),
            VT_I1 => json!(value.cVal),
            VT_UI1 => json!(value.bVal),
            VT_I2 => json!(value.iVal),
            VT_UI2 => json!(value.uiVal),
            VT_I4 | VT_INT => json!(value.lVal),
            VT_UI4 | VT_UINT => json!(value.ulVal),
            VT_I8 => json!(value.llVal),
            VT_UI8 => json!(value.ullVal),
            VT_R4 => json!(value.fltVal),
            VT_R8 | VT_DATE => json!(value.dblVal),
            _ => serde_json::Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn variants_become_plain_values() {
        assert_eq!(plain(&VARIANT::from("text")), json!("text"));
        assert_eq!(plain(&VARIANT::from(true)), json!(true));
        assert_eq!(plain(&VARIANT::from(7_i32)), json!(7));
        assert_eq!(plain(&VARIANT::from(7_u16)), json!(7));
        assert_eq!(plain(&VARIANT::default()), json!(null));
    }

    #[test]
    fn com_starts_and_ends_on_a_thread() {
        drop(Com::start().unwrap());
        drop(Com::start().unwrap());
    }
}
