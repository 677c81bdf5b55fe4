//! TLS of the listener, for those without a proxy.

use std::fs::File;

use super::{private, variables::Variables};
use crate::tls::TlsFiles;

const CERTIFICATE: &str = "HTTP_TLS_CERTIFICATE_FILE";
const KEY: &str = "HTTP_TLS_KEY_FILE";

/// Both files or none; that they can be used is known before the server starts.
pub(super) fn read(variables: &mut Variables) -> Option<TlsFiles> {
    let (certificate, key) = match (variables.text(CERTIFICATE), variables.text(KEY)) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) => return None,
        (certificate, _) => {
            let missing = if certificate.is_none() { CERTIFICATE } else { KEY };
            variables.problem(missing, "TLS needs both the certificate and its key");
            return None;
        }
    };
    let files = TlsFiles { certificate: certificate.into(), key: key.into() };
    let is_private = File::open(&files.key).map_err(|error| error.to_string()).and_then(|file| private::check(&file));
    if let Err(problem) = is_private {
        variables.problem(KEY, &format!("{}: {problem}", files.key.display()));
    } else if let Err(problem) = files.check() {
        variables.problem(CERTIFICATE, &problem);
    }
    Some(files)
}
