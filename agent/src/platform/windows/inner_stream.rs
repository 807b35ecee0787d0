//! A stream whose both ends are in this process, for the LDAP library, which takes sockets only.
//!
//! Windows has no pair of sockets: a listener of the machine's own address is there for the moment of one connection,
//! and only the connection of this very process is taken.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

use ldap3::StdStream;
use tokio::net::TcpStream;

/// Others that connect in that moment are passed over, so many at most.
const MOST_STRANGERS: usize = 16;

/// The library's end, the address under which it takes it, and the other end.
///
/// # Errors
/// When the system gives no sockets, or strangers take all connections.
pub fn inner_stream() -> io::Result<(StdStream, &'static str, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let library = std::net::TcpStream::connect(listener.local_addr()?)?;
    let wanted = library.local_addr()?;
    for _ in 0..MOST_STRANGERS {
        let (own, peer) = listener.accept()?;
        if peer == wanted {
            own.set_nonblocking(true)?;
            own.set_nodelay(true)?;
            library.set_nodelay(true)?;
            return Ok((
                StdStream::Tcp(library),
                "ldap://127.0.0.1",
                TcpStream::from_std(own)?,
            ));
        }
    }
    Err(io::Error::other("other programs took all connections"))
}
