//! The kernel's word that the network changed: a netlink socket, nothing is looked at meanwhile.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use tokio::io::unix::AsyncFd;

/// Links, addresses and routes of both families (`RTMGRP_LINK`, `_IPV4_IFADDR`, `_IPV4_ROUTE`, `_IPV6_IFADDR`,
/// `_IPV6_ROUTE` of `linux/rtnetlink.h`).
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/// Hears of changes of links, addresses and routes.
#[derive(Debug)]
pub struct NetworkChanges {
    socket: AsyncFd<OwnedFd>,
}

impl NetworkChanges {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the system does not give such a socket, as in some sandboxes.
    pub fn listen() -> io::Result<Self> {
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            // `NETLINK_ROUTE` is the protocol number 0.
            None,
        )?;
        bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
        #[expect(
            deprecated,
            reason = "sound for an owned descriptor; its successor needs unsafe code"
        )]
        let socket = AsyncFd::new(socket)?;
        Ok(Self { socket })
    }

    /// Ready when something changed since the last time; one answer may stand for many changes.
    ///
    /// # Errors
    /// When the socket fails for good.
    pub async fn changed(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.socket.readable().await?;
            let drained = ready.try_io(|socket| drain(socket.get_ref()));
            match drained {
                Ok(Ok(true)) => return Ok(()),
                Ok(Ok(false)) | Err(_) => {}
                Ok(Err(error)) => return Err(error),
            }
        }
    }
}

/// Takes everything that waits; what it says is looked up elsewhere.
fn drain(socket: &OwnedFd) -> io::Result<bool> {
    let mut buffer = [0_u8; 16 * 1024];
    let mut heard = false;
    loop {
        match recv(socket, &mut buffer[..], RecvFlags::DONTWAIT) {
            // More changed than the kernel kept: all the more it changed.
            Ok(_) | Err(rustix::io::Errno::NOBUFS) => heard = true,
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) if heard => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn nothing_is_heard_while_nothing_changes() {
        let Ok(mut changes) = NetworkChanges::listen() else {
            return;
        };
        // A machine whose network changes in this moment makes no failure of it.
        tokio::time::timeout(Duration::from_millis(20), changes.changed())
            .await
            .ok();
    }
}
