//! TLS of the HTTP listener, for those without a proxy: the certificate, and its renewal while the server runs. Who may
//! connect is not decided here: clients show no certificate.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
    server::TlsStream,
};
use tokio_util::sync::CancellationToken;

/// How often the files are looked at: a renewed certificate is served without a restart.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// A chain and a key are far smaller.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The files of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: the server's certificate first, then those that lead to its authority.
    pub certificate: PathBuf,
    /// PEM: its key, which nobody else may read.
    pub key: PathBuf,
}

/// What a file was when it was read, and the certificate in both.
type Pair = ([Vec<u8>; 2], Arc<CertifiedKey>);

impl TlsFiles {
    /// Reads both.
    ///
    /// # Errors
    /// If one cannot be read, or the key is not the certificate's. The text names the file, and quotes nothing of it.
    pub fn check(&self) -> Result<(), String> {
        self.read().map(|_| ())
    }

    fn read(&self) -> Result<Pair, String> {
        let files = [read(&self.certificate)?, read(&self.key)?];
        let (certificate, key) = (self.certificate.display(), self.key.display());
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&files[0]).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| format!("{certificate}: expected certificates in PEM"))?;
        let private = PrivateKeyDer::from_pem_slice(&files[1])
            .map_err(|_| format!("{key}: expected a private key in PEM, without a password"))?;
        let pair = CertifiedKey::from_der(chain, private, &aws_lc_rs::default_provider())
            .map_err(|_| format!("{key}: this is not the key of {certificate}"))?;
        Ok((files, Arc::new(pair)))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let told = |error: io::Error| format!("{}: {error}", path.display());
    if fs::metadata(path).map_err(told)?.len() > MAX_FILE_BYTES {
        return Err(format!("{}: larger than {MAX_FILE_BYTES} bytes", path.display()));
    }
    fs::read(path).map_err(told)
}

/// Takes connections into TLS. Clones share the certificate.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    current: Arc<Current>,
    files: TlsFiles,
}

/// The certificate that is shown now.
struct Current(RwLock<Pair>);

impl Current {
    fn get(&self) -> Pair {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Current(***)")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get().1)
    }
}

impl Tls {
    /// TLS 1.2 and 1.3 with the certificate in these files.
    ///
    /// # Errors
    /// If they cannot be used.
    pub fn new(files: TlsFiles) -> anyhow::Result<Self> {
        let current = Arc::new(Current(RwLock::new(files.read().map_err(anyhow::Error::msg)?)));
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), current, files })
    }

    /// Shakes hands within `limit`; `None` for whoever cannot, or takes longer.
    pub async fn accept(&self, stream: TcpStream, limit: Duration) -> Option<TlsStream<TcpStream>> {
        timeout(limit, self.acceptor.accept(stream)).await.ok()?.ok()
    }

    /// Follows the files until `shutdown`. What cannot be used is told once, and the certificate of before stays.
    pub async fn follow(self, shutdown: CancellationToken) {
        let mut told = None;
        while shutdown.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            match self.renew() {
                Ok(true) => tracing::info!("another TLS certificate is shown from now on"),
                Err(problem) if told.as_ref() != Some(&problem) => {
                    tracing::warn!("the TLS certificate of before stays: {problem}");
                    told = Some(problem);
                    continue;
                }
                Err(_) => continue,
                Ok(false) => (),
            }
            told = None;
        }
    }

    /// Reads the files again. Tells whether they hold another certificate.
    fn renew(&self) -> Result<bool, String> {
        let pair = self.files.read()?;
        let is_another = pair.0 != self.current.get().0;
        if is_another {
            *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = pair;
        }
        Ok(is_another)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(files: &TlsFiles, name: &str) -> rcgen::CertifiedKey<rcgen::KeyPair> {
        let pair = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        fs::write(&files.certificate, pair.cert.pem()).unwrap();
        fs::write(&files.key, pair.signing_key.serialize_pem()).unwrap();
        pair
    }

    fn shown(tls: &Tls) -> Vec<u8> {
        tls.current.get().1.cert[0].to_vec()
    }

    #[test]
    fn a_renewed_certificate_is_shown_and_a_broken_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let files = TlsFiles { certificate: directory.path().join("cert.pem"), key: directory.path().join("key.pem") };
        let first = write(&files, "a.example");
        let tls = Tls::new(files.clone()).unwrap();
        assert_eq!(shown(&tls), first.cert.der().to_vec());
        assert_eq!(tls.renew(), Ok(false));

        let second = write(&files, "b.example");
        assert_eq!(tls.renew(), Ok(true));
        assert_eq!(shown(&tls), second.cert.der().to_vec());

        // Half of a renewal: the new certificate stands beside the old key.
        let key = fs::read(&files.key).unwrap();
        write(&files, "c.example");
        fs::write(&files.key, key).unwrap();
        let problem = tls.renew().unwrap_err();
        assert!(problem.contains("key.pem: this is not the key of"), "{problem}");
        for (path, content) in [(&files.certificate, "none"), (&files.key, "none")] {
            fs::write(path, content).unwrap();
            assert!(tls.renew().is_err());
        }
        fs::remove_file(&files.certificate).unwrap();
        assert!(tls.renew().unwrap_err().contains("cert.pem: "));
        assert_eq!(shown(&tls), second.cert.der().to_vec());
    }
}
