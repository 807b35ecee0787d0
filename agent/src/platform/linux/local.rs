//! The local API's endpoint on Linux: a Unix socket whose peer the kernel names.
//!
//! Anybody on the machine may connect; what they may ask is decided from [`Peer`], never from what
//! they say about themselves.

use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use crate::platform::Peer;

/// One connection of the local API.
pub type LocalStream = UnixStream;

/// A socket address holds at most this many bytes, with its closing NUL.
const SOCKET_PATH_BYTES: usize = 108;

/// The listening end.
#[derive(Debug)]
pub struct LocalListener {
    listener: UnixListener,
    path: PathBuf,
}

impl LocalListener {
    /// Listens at `path`, in place of what a killed agent left there. The caller holds the agent's lock.
    ///
    /// # Errors
    /// When the folder or the socket cannot be made.
    pub fn bind(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs_err::create_dir_all(folder)?;
        }
        match fs_err::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = at_short_path(path, UnixListener::bind)?;
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
        Ok(Self {
            listener,
            path: path.to_path_buf(),
        })
    }

    /// The next connection and who made it.
    ///
    /// # Errors
    /// When the system cannot hand over the connection or name its peer.
    pub async fn accept(&mut self) -> io::Result<(LocalStream, Peer)> {
        let (stream, _address) = self.listener.accept().await?;
        let credentials = stream.peer_cred()?;
        let peer = Peer {
            user: super::users::name_of(credentials.uid()),
            account: credentials.uid().to_string(),
            groups: super::groups::PeerGroups {
                uid: credentials.uid(),
            },
            // An agent below a root of its own runs as an ordinary user: who started it rules it.
            is_administrator: credentials.uid() == 0
                || credentials.uid() == rustix::process::geteuid().as_raw(),
        };
        Ok((stream, peer))
    }
}

impl Drop for LocalListener {
    fn drop(&mut self) {
        fs_err::remove_file(&self.path).ok();
    }
}

/// Connects to the running agent.
///
/// # Errors
/// `NotFound` or `ConnectionRefused` when no agent runs there.
pub async fn connect_local(path: &Path) -> io::Result<LocalStream> {
    if fits(path) {
        return UnixStream::connect(path).await;
    }
    let folder = fs_err::File::open(path.parent().unwrap_or(Path::new("/")))?;
    UnixStream::connect(through(&folder, path)).await
}

fn fits(path: &Path) -> bool {
    path.as_os_str().len() < SOCKET_PATH_BYTES
}

/// A deep `--root` makes paths longer than a socket address takes: go through the folder's descriptor.
fn through(folder: &fs_err::File, path: &Path) -> PathBuf {
    Path::new("/proc/self/fd")
        .join(folder.as_raw_fd().to_string())
        .join(path.file_name().unwrap_or_default())
}

fn at_short_path<T>(path: &Path, act: impl FnOnce(PathBuf) -> io::Result<T>) -> io::Result<T> {
    if fits(path) {
        return act(path.to_path_buf());
    }
    let folder = fs_err::File::open(path.parent().unwrap_or(Path::new("/")))?;
    act(through(&folder, path))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn the_kernel_names_the_peer_even_below_a_very_deep_root() {
        let place = tempfile::tempdir().unwrap();
        let path = place
            .path()
            .join("d".repeat(90))
            .join("e".repeat(90))
            .join("agent.sock");
        let mut listener = LocalListener::bind(&path).unwrap();
        let client = tokio::spawn({
            let path = path.clone();
            async move {
                let mut stream = connect_local(&path).await.unwrap();
                stream.write_all(b"hello").await.unwrap();
            }
        });
        let (mut stream, peer) = listener.accept().await.unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await.unwrap();
        client.await.unwrap();
        assert_eq!(heard, "hello");
        assert!(peer.is_administrator);
        assert!(!peer.user.is_empty());
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn nobody_there_is_told_by_the_kind_of_error() {
        let place = tempfile::tempdir().unwrap();
        let error = connect_local(&place.path().join("agent.sock")).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
