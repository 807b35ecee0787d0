//! The machine's name on Windows.
#![expect(unsafe_code, reason = "GetComputerNameExW")]

use windows_sys::Win32::System::SystemInformation::{
    COMPUTER_NAME_FORMAT, ComputerNameDnsFullyQualified, ComputerNameDnsHostname, GetComputerNameExW,
};

use super::wide::from_wide;

/// The host name, `localhost` when there is none.
pub fn hostname() -> String {
    computer_name(ComputerNameDnsHostname)
        .filter(|name| !name.is_empty())
        .or_else(|| std::env::var("COMPUTERNAME").ok())
        .unwrap_or_else(|| "localhost".to_owned())
}

/// The fully qualified name; the bare one on machines without a domain.
pub fn fqdn() -> String {
    computer_name(ComputerNameDnsFullyQualified)
        .filter(|name| !name.is_empty())
        .unwrap_or_else(hostname)
}

fn computer_name(format: COMPUTER_NAME_FORMAT) -> Option<String> {
    let mut buffer = [0_u16; 512];
    let mut length = u32::try_from(buffer.len()).unwrap_or(0);
    // SAFETY: the buffer has as many units as `length` says and outlives the call.
    let done = unsafe { GetComputerNameExW(format, buffer.as_mut_ptr(), &raw mut length) };
    (done != 0).then(|| from_wide(&buffer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_name() {
        assert!(!hostname().is_empty());
        assert!(!fqdn().is_empty());
    }
}
