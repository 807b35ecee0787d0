//! A disk of its own for a folder, that can be filled to the last byte and made room on again.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The disk; it is unmounted with this value.
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts a disk of so many MiB over a folder; `None`, and says so, where that needs rights that this process does
    /// not have.
    ///
    /// # Panics
    /// When the folder cannot be made.
    pub fn mount(folder: &Path, mib: u32) -> Option<Self> {
        fs_err::create_dir_all(folder).expect("a folder for the disk");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "muster-test"])
            .arg(folder)
            .stderr(Stdio::null())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            let said = "skipped: mounting a disk needs root\n";
            std::io::stderr().write_all(said.as_bytes()).ok();
            return None;
        }
        Some(Self {
            folder: folder.to_owned(),
        })
    }

    /// The file that takes the room away.
    pub fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }

    /// Takes all room but so many KiB.
    ///
    /// # Panics
    /// When the room cannot be measured or taken.
    pub fn leave_kib(&self, kib: u64) {
        self.make_room();
        let free = self.free_kib();
        let mut file = fs_err::File::create(self.filler()).expect("a file");
        let block = vec![0_u8; 1024];
        for _ in 0..free.saturating_sub(kib) {
            if file.write_all(&block).is_err() {
                break;
            }
        }
        // The last bytes: what fits by less than a block.
        while kib == 0 && file.write_all(&[0]).is_ok() {}
    }

    /// Gives the room back.
    pub fn make_room(&self) {
        fs_err::remove_file(self.filler()).ok();
    }

    /// How many KiB are free.
    ///
    /// # Panics
    /// When `df` does not say.
    pub fn free_kib(&self) -> u64 {
        let output = Command::new("df")
            .args(["--output=avail", "--block-size=1K"])
            .arg(&self.folder)
            .output()
            .expect("df");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let number = text.lines().last().and_then(|line| line.trim().parse().ok());
        number.unwrap_or_else(|| panic!("df said {text:?}"))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: what still has a file open there ends a moment later.
        Command::new("umount")
            .arg("--lazy")
            .arg(&self.folder)
            .stderr(Stdio::null())
            .status()
            .ok();
    }
}
