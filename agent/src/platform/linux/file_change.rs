//! The kernel's word that a file may have changed: a watch on its folder, because editors put a new file in place.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use tokio::io::unix::AsyncFd;

/// Hears of changes in the folder of a file.
#[derive(Debug)]
pub struct FileChanges {
    queue: AsyncFd<OwnedFd>,
}

impl FileChanges {
    /// Begins to watch the folder in which the file is or will be.
    ///
    /// # Errors
    /// When there is no such folder or the system has no watch left.
    pub fn watch(file: &Path) -> io::Result<Self> {
        let folder = file.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let queue = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let flags = WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO | WatchFlags::DELETE | WatchFlags::ONLYDIR;
        add_watch(&queue, folder, flags)?;
        #[expect(
            deprecated,
            reason = "sound for an owned descriptor; its successor needs unsafe code"
        )]
        let queue = AsyncFd::new(queue)?;
        Ok(Self { queue })
    }

    /// Ready when something in the folder changed since the last time.
    ///
    /// # Errors
    /// When the system ends the watch.
    pub async fn changed(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.queue.readable().await?;
            match ready.try_io(|queue| drain(queue.get_ref())) {
                Ok(result) => return result,
                Err(_not_yet) => {}
            }
        }
    }
}

/// Takes everything that waits; which file it was is looked up by the one who asked.
fn drain(queue: &OwnedFd) -> io::Result<()> {
    let mut buffer = [0_u8; 4096];
    let mut heard = false;
    loop {
        match rustix::io::read(queue, &mut buffer[..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => heard = true,
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) if heard => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_file_that_is_written_and_one_that_is_put_in_place_are_heard_of() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("agent.toml");
        let mut changes = FileChanges::watch(&file).unwrap();
        let limit = Duration::from_secs(20);
        fs_err::write(&file, "a = 1").unwrap();
        tokio::time::timeout(limit, changes.changed())
            .await
            .unwrap()
            .unwrap();
        let other = tempfile::NamedTempFile::new_in(place.path()).unwrap();
        other.persist(&file).unwrap();
        tokio::time::timeout(limit, changes.changed())
            .await
            .unwrap()
            .unwrap();
    }
}
