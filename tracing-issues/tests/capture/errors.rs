//! The errors that the tests log.

use std::{error::Error, fmt, io};

/// Refreshing failed, because the connection was refused.
#[derive(Debug)]
pub(crate) struct RefreshError {
    pub(crate) source: io::Error,
}

impl fmt::Display for RefreshError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refresh failed")
    }
}

impl Error for RefreshError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// What the operating system says.
pub(crate) const REFUSED: &str = "Connection refused (os error 111)";

pub(crate) fn refused() -> io::Error {
    io::Error::from_raw_os_error(111)
}

pub(crate) fn refresh_error() -> RefreshError {
    RefreshError { source: refused() }
}

/// An error without a cause.
#[derive(Debug)]
pub(crate) struct VenueClosed(pub(crate) &'static str);

impl fmt::Display for VenueClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is closed", self.0)
    }
}

impl Error for VenueClosed {}
