//! Who may log in, by whom they are vouched for, and where browsers reach this server.

use std::{
    fs::File,
    io::Read,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::Url;
use serde::Deserialize;

use super::{Secret, private, variables::Variables};

/// The issuer if no other is named.
pub const GOOGLE: &str = "https://accounts.google.com";

/// Where the client's credentials are, if no other file is named and this one is there.
const CREDENTIALS_FILE: &str = ".credentials/app/issuetracker/google-issuetracker.json";

/// No file of credentials is larger.
const MAX_CREDENTIALS_BYTES: u64 = 64 * 1024;

/// Login with an OpenID provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginConfig {
    /// Who vouches for people: the exact `iss` of its tokens.
    pub issuer: String,
    /// Scheme, host and port under which browsers reach this server.
    pub public_url: String,
    /// Who this server is to the provider.
    pub client_id: String,
    /// How it proves that.
    pub client_secret: Secret,
    /// The domains of mail addresses that may log in, in small letters.
    pub domains: Vec<String>,
    /// The mail addresses of the first ADMINs, in small letters.
    pub admins: Vec<String>,
    /// A session ends when nothing was asked for so long.
    pub session_idle: Duration,
    /// It ends after so long in any case.
    pub session_max: Duration,
}

impl LoginConfig {
    /// Whether browsers reach the server without TLS; that is so on this machine only.
    pub fn is_plain(&self) -> bool {
        self.public_url.starts_with("http://")
    }

    pub(super) fn describe(&self) -> String {
        format!("by {} for {}, at {}; secret ***", self.issuer, self.domains.join(", "), self.public_url)
    }
}

/// Login is configured by any of its variables, or by the file of credentials where it is expected.
pub(super) fn read(variables: &mut Variables, http_addr: SocketAddr, has_tls: bool) -> Option<LoginConfig> {
    let issuer = variables.text("OIDC_ISSUER");
    let file = variables.text("OIDC_CREDENTIALS_FILE").map(PathBuf::from);
    let domains = list(variables, "OIDC_DOMAINS");
    let admins = list(variables, "OIDC_ADMINS");
    let public_url = variables.text("HTTP_PUBLIC_URL");
    let session_idle = minutes(variables, "SESSION_IDLE_MINUTES", 3 * 24 * 60);
    let session_max = minutes(variables, "SESSION_MAX_MINUTES", 14 * 24 * 60);
    if issuer.is_none() && file.is_none() && !Path::new(CREDENTIALS_FILE).exists() {
        return None;
    }

    let issuer = issuer.unwrap_or_else(|| GOOGLE.to_owned());
    if !address(&issuer).is_some_and(|url| url.query().is_none() && url.fragment().is_none()) {
        variables.problem("OIDC_ISSUER", "expected an https address; plain http on this machine only");
    }
    let scheme = if has_tls { "https" } else { "http" };
    let public_url = public_url.unwrap_or_else(|| format!("{scheme}://{http_addr}"));
    let origin = address(&public_url)
        .filter(|url| url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username() == "")
        .map(|url| url.origin().ascii_serialization());
    if origin.is_none() {
        variables.problem(
            "HTTP_PUBLIC_URL",
            "expected where browsers reach this server, such as https://issues.example.com; \
             plain http on this machine only, because sessions would be open to anybody on the way",
        );
    }
    for domain in &domains {
        if domain.contains('@') || !domain.contains('.') {
            variables.problem("OIDC_DOMAINS", "expected domains such as example.com, separated by commas");
        }
    }
    if admins.iter().any(|admin| !admin.contains('@')) {
        variables.problem("OIDC_ADMINS", "expected mail addresses, separated by commas");
    }
    let credentials = match credentials(&file.unwrap_or_else(|| CREDENTIALS_FILE.into())) {
        Ok(credentials) => credentials,
        Err(problem) => {
            variables.problem("OIDC_CREDENTIALS_FILE", &problem);
            return None;
        }
    };
    Some(LoginConfig {
        issuer,
        public_url: origin.unwrap_or_default(),
        client_id: credentials.client_id,
        client_secret: Secret(credentials.client_secret),
        domains: if domains.is_empty() { vec!["quantory.app".to_owned()] } else { domains },
        admins,
        session_idle,
        session_max,
    })
}

/// An address that may be trusted with secrets.
fn address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_this_machine(&url));
    (is_safe && url.host_str().is_some_and(|host| !host.is_empty())).then_some(url)
}

/// Whether the address never leaves this machine.
pub fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || ip.is_ok_and(|ip| ip.is_loopback())
}

fn list(variables: &mut Variables, name: &'static str) -> Vec<String> {
    let text = variables.text(name).unwrap_or_default().to_ascii_lowercase();
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

fn minutes(variables: &mut Variables, name: &'static str, default: u32) -> Duration {
    const EXPECTED: &str = "expected a number of minutes, at least 1";
    let minutes = variables.parse(name, EXPECTED).unwrap_or(default);
    if minutes == 0 {
        variables.problem(name, EXPECTED);
    }
    Duration::from_secs(u64::from(minutes) * 60)
}

/// As Google's console has them for download.
#[derive(Deserialize)]
struct CredentialsFile {
    web: Credentials,
}

#[derive(Deserialize)]
struct Credentials {
    client_id: String,
    client_secret: String,
}

fn credentials(path: &Path) -> Result<Credentials, String> {
    let shown = path.display();
    let file = File::open(path).map_err(|error| format!("{shown}: {error}"))?;
    private::check(&file).map_err(|problem| format!("{shown}: {problem}"))?;
    let mut text = String::new();
    file.take(MAX_CREDENTIALS_BYTES).read_to_string(&mut text).map_err(|error| format!("{shown}: {error}"))?;
    // The parser's own words could quote the file.
    let file: CredentialsFile = serde_json::from_str(&text)
        .map_err(|_| format!(r#"{shown}: expected {{"web": {{"client_id": "…", "client_secret": "…"}}}}"#))?;
    if file.web.client_id.is_empty() || file.web.client_secret.is_empty() {
        return Err(format!("{shown}: client_id or client_secret is empty"));
    }
    Ok(file.web)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::super::{Config, ConfigErrors};
    use super::*;

    fn read_with(mode: u32, content: &str, pairs: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("client.json");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let file = [("OIDC_CREDENTIALS_FILE", path.to_str().unwrap())];
        let pairs = file.iter().chain(pairs);
        Config::from_pairs(pairs.map(|(name, value)| (format!("ISSUETRACKER_{name}"), (*value).to_owned())))
    }

    const GOOD: &str = r#"{"web": {"client_id": "id", "client_secret": "hush", "project_id": "p"}}"#;

    #[test]
    fn credentials_make_login_with_google() {
        let config = read_with(0o600, GOOD, &[]).unwrap();
        let login = config.login.as_ref().unwrap();
        assert_eq!((login.issuer.as_str(), login.public_url.as_str()), (GOOGLE, "http://127.0.0.1:8080"));
        assert_eq!((login.client_id.as_str(), login.domains.as_slice()), ("id", &["quantory.app".to_owned()][..]));
        assert!(login.is_plain());
        let shown = format!("{:?}{config:?}", config.describe());
        assert!(!shown.contains("hush"), "{shown}");
    }

    #[test]
    fn with_login_any_address_is_served_under_a_public_one() {
        let everywhere = ("HTTP_ADDR", "0.0.0.0:8080");
        let error = read_with(0o600, GOOD, &[everywhere]).unwrap_err().to_string();
        assert!(error.contains("ISSUETRACKER_HTTP_PUBLIC_URL:"), "{error}");
        let config = read_with(0o600, GOOD, &[everywhere, ("HTTP_PUBLIC_URL", "https://Issues.example.com/")]).unwrap();
        let login = config.login.unwrap();
        assert_eq!(login.public_url, "https://issues.example.com");
        assert!(!login.is_plain());
    }

    #[test]
    fn what_is_not_safe_is_refused() {
        #[track_caller]
        fn check(mode: u32, content: &str, pair: (&str, &str), name: &str) {
            let error = read_with(mode, content, &[pair]).unwrap_err().to_string();
            assert!(error.contains(&format!("ISSUETRACKER_{name}: ")) && !error.contains("hush"), "{error}");
        }
        let none = ("LOG", "info");
        for mode in [0o640, 0o604, 0o644, 0o660] {
            check(mode, GOOD, none, "OIDC_CREDENTIALS_FILE");
        }
        for content in ["", "{}", r#"{"web": {"client_id": "id"}}"#, r#"{"web": "hush"}"#] {
            check(0o600, content, none, "OIDC_CREDENTIALS_FILE");
        }
        for issuer in ["http://accounts.example.com", "ftp://x", "accounts.example.com", "http://127.0.0.1.example.com"]
        {
            check(0o600, GOOD, ("OIDC_ISSUER", issuer), "OIDC_ISSUER");
        }
        for url in ["http://issues.example.com", "https://a.example/path", "https://u@a.example", "x"] {
            check(0o600, GOOD, ("HTTP_PUBLIC_URL", url), "HTTP_PUBLIC_URL");
        }
        check(0o600, GOOD, ("OIDC_DOMAINS", "@example.com"), "OIDC_DOMAINS");
        check(0o600, GOOD, ("OIDC_ADMINS", "ada"), "OIDC_ADMINS");
        check(0o600, GOOD, ("SESSION_IDLE_MINUTES", "0"), "SESSION_IDLE_MINUTES");
    }
}
