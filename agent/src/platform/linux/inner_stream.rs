//! A stream whose both ends are in this process, for the LDAP library, which takes sockets only.

use std::io;

use ldap3::StdStream;
use tokio::net::UnixStream;

/// The library's end, the address under which it takes it, and the other end.
///
/// # Errors
/// When the system gives no pair of sockets.
pub fn inner_stream() -> io::Result<(StdStream, &'static str, UnixStream)> {
    let (library, own) = std::os::unix::net::UnixStream::pair()?;
    own.set_nonblocking(true)?;
    Ok((
        StdStream::Unix(library),
        "ldapi://inside",
        UnixStream::from_std(own)?,
    ))
}
