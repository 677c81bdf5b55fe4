//! TLS without a proxy, as a browser meets it.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
};

use super::*;

/// A place with a certificate for 127.0.0.1 and the credentials that login needs. No provider is asked in these tests.
struct Prepared {
    place: Place,
    authority: String,
}

impl Prepared {
    fn new() -> Self {
        let place = Place::new();
        let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let credentials = r#"{"web": {"client_id": "id", "client_secret": "hush"}}"#;
        for (name, content) in [
            ("cert.pem", pair.cert.pem()),
            ("key.pem", pair.signing_key.serialize_pem()),
            ("client.json", credentials.into()),
        ] {
            fs::write(place.path().join(name), content).unwrap();
            fs::set_permissions(place.path().join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        Self { place, authority: pair.cert.pem() }
    }

    fn start(&self) -> Server {
        self.place.start(&VARIABLES)
    }

    async fn get(&self, server: &Server, path: &str) -> reqwest::Response {
        let authority = reqwest::Certificate::from_pem(self.authority.as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([authority]).build().unwrap();
        client.get(format!("https://{}{path}", server.address)).send().await.unwrap()
    }
}

const VARIABLES: [(&str, &str); 5] = [
    ("ISSUETRACKER_OIDC_ISSUER", "https://login.example.com"),
    ("ISSUETRACKER_OIDC_CREDENTIALS_FILE", "client.json"),
    ("ISSUETRACKER_HTTP_PUBLIC_URL", "https://issues.example.com"),
    ("ISSUETRACKER_HTTP_TLS_CERTIFICATE_FILE", "cert.pem"),
    ("ISSUETRACKER_HTTP_TLS_KEY_FILE", "key.pem"),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_server_speaks_tls_itself() {
    let prepared = Prepared::new();
    let server = prepared.start();
    let answer = prepared.get(&server, "/healthz").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
    let answer = prepared.get(&server, "/api/v1/issues").await;
    assert_eq!(answer.status(), 401);
    let ended = server.terminate();
    assert!(ended.status.success(), "{}", ended.log);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_no_tls_gets_nothing_and_holds_up_nobody() {
    let prepared = Prepared::new();
    let server = prepared.start();
    // One says nothing, one begins and stops; both are still there when another is served.
    let silent = TcpStream::connect(&server.address).unwrap();
    let mut hesitant = TcpStream::connect(&server.address).unwrap();
    hesitant.write_all(&[0x16, 3, 1]).unwrap();
    let mut plain = TcpStream::connect(&server.address).unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // It is closed, with or without a TLS alert.
    let _ = plain.read_to_end(&mut answer);
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/"), "{answer:?}");
    assert_eq!(prepared.get(&server, "/healthz").await.status(), 200);
    drop((silent, hesitant));
}

#[test]
fn what_cannot_be_used_is_told_before_the_start() {
    #[track_caller]
    fn check(prepared: &Prepared, variables: &[(&str, &str)], expected: &str) {
        let output = prepared.place.run(variables, &["--check-config"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{expected:?} is missing in: {said}");
    }
    let prepared = Prepared::new();
    let missing = "ISSUETRACKER_HTTP_TLS_KEY_FILE: TLS needs both";
    check(&prepared, &VARIABLES[..4], missing);
    check(&prepared, &VARIABLES[3..], "ISSUETRACKER_HTTP_TLS_CERTIFICATE_FILE: TLS needs login");
    let plain: Vec<_> = VARIABLES.iter().copied().filter(|(name, _)| *name != "ISSUETRACKER_HTTP_PUBLIC_URL").collect();
    let output = prepared.place.run(&plain, &["--check-config"]);
    assert!(output.status.success(), "the public address is https by itself");

    fs::copy(prepared.place.path().join("cert.pem"), prepared.place.path().join("key.pem")).unwrap();
    check(&prepared, &VARIABLES, "ISSUETRACKER_HTTP_TLS_CERTIFICATE_FILE: key.pem: expected a private key");
    fs::set_permissions(prepared.place.path().join("key.pem"), fs::Permissions::from_mode(0o640)).unwrap();
    check(&prepared, &VARIABLES, "ISSUETRACKER_HTTP_TLS_KEY_FILE: key.pem: others can read it (mode 640)");
    fs::remove_file(prepared.place.path().join("key.pem")).unwrap();
    check(&prepared, &VARIABLES, "ISSUETRACKER_HTTP_TLS_KEY_FILE: key.pem: ");
}
