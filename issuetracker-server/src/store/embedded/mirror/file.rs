//! A file for one process: readable by nobody else, and removed at the end, or by the next process if this one is
//! killed. It knows nothing of what is in it.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use uuid::Uuid;

const PREFIX: &str = "issuetracker-projection-";
const LOCK: &str = ".lock";

/// The file; its lock is the one sign of life that the kernel takes back.
pub(super) struct PrivateFile {
    path: PathBuf,
    _lock: File,
}

impl PrivateFile {
    /// Creates it in `directory`, and removes those of processes that are gone.
    pub(super) fn create(directory: &Path) -> io::Result<Self> {
        remove_abandoned(directory)?;
        let path = directory.join(format!("{PREFIX}{}.sqlite", Uuid::now_v7()));
        // Locked before it has the name that others look for: nobody takes it for abandoned.
        let unnamed = beside(&path, ".new");
        let lock = private().open(&unnamed)?;
        lock.lock()?;
        fs::rename(&unnamed, beside(&path, LOCK))?;
        private().open(&path)?;
        Ok(Self { path, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

fn remove_abandoned(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(of) = name.strip_suffix(LOCK).filter(|_| name.starts_with(PREFIX)) else { continue };
        // Another user's cannot be opened, a living process's cannot be locked.
        if File::open(&path).is_ok_and(|lock| lock.try_lock().is_ok()) {
            remove(&directory.join(of));
        }
    }
    Ok(())
}

/// The lock goes last: what is left after a crash in between is found by it.
fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm", LOCK] {
        // What cannot be removed is found again.
        let _ = fs::remove_file(beside(path, suffix));
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> usize {
        fs::read_dir(directory).unwrap().count()
    }

    #[test]
    fn a_file_lives_as_long_as_its_process() {
        let directory = tempfile::tempdir().unwrap();
        let first = PrivateFile::create(directory.path()).unwrap();
        let second = PrivateFile::create(directory.path()).unwrap();
        assert!(first.path().exists() && second.path().exists() && first.path() != second.path());
        drop((first, second));
        assert_eq!(names(directory.path()), 0);
    }

    #[test]
    fn what_a_killed_process_left_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let file = PrivateFile::create(directory.path()).unwrap();
        fs::write(beside(file.path(), "-wal"), "left").unwrap();
        let PrivateFile { path, _lock } = &file;
        let (path, unlocked) = (path.clone(), _lock.unlock());
        unlocked.unwrap();
        // Its lock is free, as after a kill, and nobody has cleaned up.
        std::mem::forget(file);
        let next = PrivateFile::create(directory.path()).unwrap();
        assert!(!path.exists());
        assert_eq!(names(directory.path()), 2, "the next one and its lock");
        drop(next);
    }
}
