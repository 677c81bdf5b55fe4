//! The files of a spool directory: their names, who owns which, and how one ends. What is in them is not its business.
//!
//! A file belongs to the process that holds its lock, and the kernel takes the lock from a process that dies, however it
//! dies (but a child that was forked without exec keeps it, until it ends as well). A name is never used twice, and a file is emptied before its lock is given up: whoever gets the lock late, of a
//! file that was removed in between, finds nothing that somebody else has already taken.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use uuid::Uuid;

/// How often a new file is tried before the directory is given up.
const TRIES: usize = 3;

/// A file that this process has locked.
#[derive(Debug)]
pub(super) struct SpoolFile {
    pub(super) file: File,
    pub(super) path: PathBuf,
}

impl SpoolFile {
    /// An empty file of our own in `dir`, which is created if it is missing. Only our user can read either.
    pub(super) fn create(dir: &Path, service: &str) -> io::Result<Self> {
        create_private_dir(dir).map_err(|error| at(dir, &error))?;
        for _ in 0..TRIES {
            // The id sorts by time: files are adopted in the order of their creation.
            let id = Uuid::now_v7().simple();
            let path = dir.join(format!("{}-{}-{id}.spool", escaped(service), std::process::id()));
            let mut options = OpenOptions::new();
            options.read(true).write(true).create_new(true);
            private(&mut options);
            let file = options.open(&path).map_err(|error| at(&path, &error))?;
            // Between creation and lock, a process that starts may take the empty file for an abandoned one.
            match Self::claim(file, path.clone()) {
                Ok(Some(claimed)) => return Ok(claimed),
                Ok(None) => (),
                Err(error) => {
                    let _ = fs::remove_file(&path);
                    return Err(error);
                }
            }
        }
        Err(at(dir, &io::Error::other("other processes take every new file away")))
    }

    /// Locks a file that exists, if nobody else has it.
    pub(super) fn lock(path: PathBuf) -> io::Result<Option<Self>> {
        match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => Self::claim(file, path),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(&path, &error)),
        }
    }

    /// Locks an open file, unless somebody else has it or was faster and has removed it already.
    pub(super) fn claim(file: File, path: PathBuf) -> io::Result<Option<Self>> {
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { file, path }).filter(Self::exists)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(at(&path, &error)),
        }
    }

    /// Whether the name still leads to it. Nobody removes a file that another process has locked, but people do.
    pub(super) fn exists(&self) -> bool {
        self.path.exists()
    }

    pub(super) fn len(&self) -> io::Result<u64> {
        self.file.metadata().map(|metadata| metadata.len()).map_err(|error| at(&self.path, &error))
    }

    pub(super) fn read_all(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.read_to_end(&mut bytes));
        read.map_err(|error| at(&self.path, &error))?;
        Ok(bytes)
    }

    pub(super) fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let read = self.file.seek(SeekFrom::Start(offset)).and_then(|_| self.file.read_exact(bytes));
        read.map_err(|error| at(&self.path, &error))
    }

    /// Writes at `offset`. What a failure has written of it is cut off again.
    pub(super) fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let written = self.file.seek(SeekFrom::Start(offset)).and_then(|_| self.file.write_all(bytes));
        written.map_err(|error| {
            let _ = self.file.set_len(offset);
            at(&self.path, &error)
        })
    }

    /// Waits until the disk has it.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data().map_err(|error| at(&self.path, &error))
    }

    pub(super) fn empty(&mut self) -> io::Result<()> {
        self.file.set_len(0).map_err(|error| at(&self.path, &error))
    }

    /// Ends the file: all that it held is settled, or is in another file.
    pub(super) fn retire(&self) -> io::Result<()> {
        let emptied = self.file.set_len(0);
        match fs::remove_file(&self.path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            // An empty file gives nothing to whoever finds it.
            Err(_) if emptied.is_ok() => Ok(()),
            Err(error) => Err(at(&self.path, &error)),
        }
    }

    /// Takes a file that nobody can read out of the way, and keeps it for whoever wants to know. Returns its new name.
    pub(super) fn set_aside(self) -> io::Result<PathBuf> {
        let name = self.path.with_extension("damaged");
        fs::rename(&self.path, &name).map_err(|error| at(&self.path, &error))?;
        Ok(name)
    }
}

/// The files of a service, oldest first, whoever has them.
pub(super) fn of_service(dir: &Path, service: &str) -> io::Result<Vec<PathBuf>> {
    let wanted = escaped(service);
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(|error| at(dir, &error))? {
        let entry = entry.map_err(|error| at(dir, &error))?;
        // Not even a link: emptying what it leads to could do harm.
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        let name = entry.file_name();
        match name.to_str().and_then(parts) {
            Some((service, id)) if is_file && service == wanted => files.push((id.to_owned(), entry.path())),
            _ => (),
        }
    }
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

/// The service and the id in a file's name; a service may have hyphens, what follows it has none.
fn parts(name: &str) -> Option<(&str, &str)> {
    let (rest, id) = name.strip_suffix(".spool")?.rsplit_once('-')?;
    let (service, _pid) = rest.rsplit_once('-')?;
    Some((service, id))
}

/// The service's name as a part of a file's name; different services stay different.
fn escaped(service: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let escape = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    service.bytes().map(escape).collect()
}

/// The same error, with the path in its text.
pub(super) fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn create_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}
