//! Random texts that prove something by being known, and the hash under which the store knows them.

use openidconnect::CsrfToken;
use sha2::{Digest, Sha256};

use crate::domain::hex;

/// 256 random bits, in letters that cookies and addresses take as they are.
pub(crate) fn random() -> String {
    CsrfToken::new_random_len(32).secret().clone()
}

/// What is stored in its place: whoever reads the store can prove nothing.
pub(crate) fn digest(token: &str) -> String {
    hex(&Sha256::digest(token))
}
