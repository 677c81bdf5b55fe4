//! A copy of the file while others use it.

use std::{fs, path::Path};

use rusqlite::{Connection, OpenFlags};

use super::unavailable;
use crate::store::StoreError;

/// Writes a consistent copy of the file at `from` to `to`, checks it, and answers its size in bytes. Writers are not held up:
/// it reads as of one moment.
///
/// # Errors
/// If `to` is there already, either file cannot be used, or the copy is not whole. Then nothing is left at `to`.
pub fn backup(from: &Path, to: &Path) -> Result<u64, StoreError> {
    if to.exists() {
        return Err(unavailable(format!("{} is there already", to.display())));
    }
    // Under another name until it is whole: what has the right name is a backup.
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    let _ = fs::remove_file(part);
    let result = copy(from, part).and_then(|()| {
        fs::File::open(part).and_then(|file| file.sync_all()).map_err(unavailable)?;
        fs::rename(part, to).map_err(unavailable)?;
        Ok(fs::metadata(to).map_err(unavailable)?.len())
    });
    if result.is_err() {
        let _ = fs::remove_file(part);
    }
    result
}

fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(from, flags).map_err(unavailable)?;
    let path = to.to_str().ok_or_else(|| unavailable("the path is not UTF-8"))?;
    source.execute("VACUUM INTO ?", [path]).map_err(unavailable)?;
    let copy = Connection::open(to).map_err(unavailable)?;
    // Rows may have other numbers in the copy, and the words are known by these.
    copy.execute("INSERT INTO issues_text (issues_text) VALUES ('rebuild')", []).map_err(unavailable)?;
    let verdict: String = copy.pragma_query_value(None, "integrity_check", |row| row.get(0)).map_err(unavailable)?;
    if verdict == "ok" { Ok(()) } else { Err(unavailable(format!("the copy is damaged: {verdict}"))) }
}
