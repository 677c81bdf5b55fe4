//! Files with secrets in them: nobody but the server's own user may read them.

use std::fs::File;

/// Checks an open file.
///
/// # Errors
/// If it is no file, or group or others can read it.
pub(super) fn check(file: &File) -> Result<(), String> {
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("expected a file".to_owned());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(format!("others can read it (mode {mode:03o}); say chmod 600"));
        }
    }
    Ok(())
}
