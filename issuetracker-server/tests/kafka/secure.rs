//! A broker that speaks TLS and asks for names and passwords, as brokers in production do.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::*;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/services");
const USER: &str = "tracker";
const PASSWORD: &str = "hunter2hunter2";

/// How long Kafka may take to start on a busy machine.
const START: Duration = Duration::from_secs(120);

/// A broker of its own with four doors, and a certificate that it vouches for itself.
struct Secure {
    port: u16,
    directory: TempDir,
    child: Child,
}

/// One way into the broker.
#[derive(Clone, Copy)]
struct Door {
    protocol: &'static str,
    /// From the first port.
    port: u16,
    mechanism: Option<&'static str>,
}

const DOORS: [Door; 5] = [
    Door { protocol: "ssl", port: 2, mechanism: None },
    Door { protocol: "sasl_ssl", port: 3, mechanism: Some("PLAIN") },
    Door { protocol: "sasl_ssl", port: 3, mechanism: Some("SCRAM-SHA-256") },
    Door { protocol: "sasl_ssl", port: 3, mechanism: Some("SCRAM-SHA-512") },
    Door { protocol: "sasl_plaintext", port: 4, mechanism: Some("SCRAM-SHA-512") },
];

impl Secure {
    fn start() -> Self {
        let (directory, port) = (tempfile::tempdir().unwrap(), free_ports());
        let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let (certificate, key) = (pair.cert.pem(), pair.signing_key.serialize_pem());
        fs::write(directory.path().join("cert.pem"), &certificate).unwrap();
        fs::write(directory.path().join("key.pem"), &key).unwrap();
        let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        fs::write(directory.path().join("other.pem"), other.cert.pem()).unwrap();
        fs::write(directory.path().join("properties"), properties(port, &certificate, &key)).unwrap();

        let log = File::create(directory.path().join("log.txt")).unwrap();
        let mut command = Command::new(SCRIPT);
        command.args(["run", "kafka", &port.to_string()]).arg(directory.path().join("data"));
        command.arg(directory.path().join("properties"));
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            command.args(["--add-scram", &format!("{mechanism}=[name={USER},password={PASSWORD}]")]);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut secure = Self { port, directory, child: command.spawn().unwrap() };
        let plain = Kafka::at(format!("127.0.0.1:{port}"));
        let deadline = Instant::now() + START;
        while plain.consumer().fetch_metadata(None, Duration::from_secs(2)).is_err() {
            let log = fs::read_to_string(secure.directory.path().join("log.txt")).unwrap_or_default();
            assert!(secure.child.try_wait().unwrap().is_none(), "the broker ended: {log}");
            assert!(Instant::now() < deadline, "the broker does not answer: {log}");
        }
        secure
    }

    fn file(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    /// What a client needs to know, by the names that follow `ISSUETRACKER_KAFKA_` and `TRACING_ISSUES_KAFKA_`.
    fn settings(&self, door: Door) -> Vec<(&'static str, String)> {
        let mut settings = vec![
            ("BROKERS", format!("127.0.0.1:{}", self.port + door.port)),
            ("SECURITY_PROTOCOL", door.protocol.to_owned()),
        ];
        if door.protocol.ends_with("ssl") {
            settings.push(("SSL_CA_FILE", self.file("cert.pem")));
        }
        match door.mechanism {
            Some(mechanism) => settings.extend([
                ("SASL_MECHANISM", mechanism.to_owned()),
                ("SASL_USERNAME", USER.to_owned()),
                ("SASL_PASSWORD", PASSWORD.to_owned()),
            ]),
            // Then the broker wants a certificate.
            None => settings
                .extend([("SSL_CERTIFICATE_FILE", self.file("cert.pem")), ("SSL_KEY_FILE", self.file("key.pem"))]),
        }
        settings
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first of five ports where nothing listens, below those that the system gives to clients.
fn free_ports() -> u16 {
    let start = u16::from_le_bytes(Uuid::now_v7().as_bytes()[14..].try_into().unwrap()) % 2_000;
    let is_free = |port: &u16| (*port..port + 5).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
    (0..100).map(|nth| 10_000 + (start + 20 * nth) % 9_000).find(is_free).expect("free ports")
}

fn properties(port: u16, certificate: &str, key: &str) -> String {
    let on_one_line = |pem: &str| pem.trim().replace("\r\n", "\\n").replace('\n', "\\n");
    let (certificate, key) = (on_one_line(certificate), on_one_line(key));
    let (ssl, sasl_ssl, sasl) = (port + 2, port + 3, port + 4);
    let plain = "org.apache.kafka.common.security.plain.PlainLoginModule required";
    let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
    format!(
        r#"
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{},SSL://127.0.0.1:{ssl},SASL_SSL://127.0.0.1:{sasl_ssl},SASL_PLAINTEXT://127.0.0.1:{sasl}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SSL://127.0.0.1:{ssl},SASL_SSL://127.0.0.1:{sasl_ssl},SASL_PLAINTEXT://127.0.0.1:{sasl}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,SASL_PLAINTEXT:SASL_PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.certificate.chain={certificate}
ssl.keystore.key={key}
ssl.truststore.type=PEM
ssl.truststore.certificates={certificate}
listener.name.ssl.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config={plain} user_{USER}="{PASSWORD}";
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config={scram}
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={scram}
listener.name.sasl_plaintext.plain.sasl.jaas.config={plain} user_{USER}="{PASSWORD}";
listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config={scram}
listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config={scram}
"#,
        port + 1
    )
}

/// A server with these settings, and the names of its topics.
fn variables(kafka: &Kafka, settings: &[(&'static str, String)]) -> Vec<(String, String)> {
    let names = kafka.variables().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings = settings.iter().map(|(name, value)| (format!("ISSUETRACKER_KAFKA_{name}"), value.clone()));
    names.chain(settings).collect()
}

fn start(place: &Place, variables: &[(String, String)]) -> Server {
    place.start(&variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>())
}

/// Waits until `/readyz` says why Kafka cannot be used.
#[track_caller]
fn refusal(server: &Server) -> String {
    wait_until("the server says that it is refused", || {
        let ready = server.get("/readyz").expect(503).json();
        let reason = ready["checks"]["kafka"]["reason"].as_str().unwrap_or_default().to_owned();
        if reason.contains("refuse this server") { Ok(reason) } else { Err(ready.to_string()) }
    })
}

/// The library reports through each door, the server reads through the same, and sets aside what is no event.
fn check_door(secure: &Secure, door: Door) {
    let (kafka, place) = (Kafka::at(format!("127.0.0.1:{}", secure.port)), Place::new());
    let (settings, service) = (secure.settings(door), unique("secure"));
    let server = start(&place, &variables(&kafka, &settings));
    wait_until("the topic is there", || {
        let ready = server.get("/readyz");
        if ready.status == 200 { Ok(()) } else { Err(ready.text()) }
    });
    kafka.produce(Some(0), [b"no event".as_slice()]);
    let storm = PathBuf::from(env!("CARGO_BIN_EXE_issuetracker-server")).with_file_name("storm");
    let mut storm = Command::new(storm);
    for (name, value) in &settings {
        storm.env(format!("TRACING_ISSUES_KAFKA_{name}"), value);
    }
    let output = storm
        .args(["--rate", "max", "--threads", "1", "--events", "20", "--distinct", "2"])
        .env("TRACING_ISSUES_TOPIC", &kafka.name)
        .env("TRACING_ISSUES_SERVICE", &service)
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let counters: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(counters["delivered"], 20, "{} {:?}: {counters} {said}", door.protocol, door.mechanism);
    assert!(output.status.success() && !said.contains(PASSWORD), "{} {:?}: {said}", door.protocol, door.mechanism);
    wait_until("all is counted", || equal(&total(&server, &service), &20));
    assert_eq!(kafka.dead_letters(1).len(), 1);
    let ended = server.terminate();
    assert!(ended.status.success() && !ended.log.contains(PASSWORD), "{}", ended.log);
}

#[test]
fn brokers_that_ask_who_we_are() {
    let secure = Secure::start();
    for door in DOORS {
        check_door(&secure, door);
    }

    // A wrong password, an authority that nobody knows, no certificate where one is wanted: said once, and it goes on.
    for (door, name, value, part) in [
        (DOORS[1], "SASL_PASSWORD", "wrong".to_owned(), "uthentication failed"),
        (DOORS[2], "SASL_PASSWORD", "wrong".to_owned(), "uthentication failed"),
        (DOORS[3], "SSL_CA_FILE", secure.file("other.pem"), "certificate verify failed"),
    ] {
        let (kafka, place) = (Kafka::at(format!("127.0.0.1:{}", secure.port)), Place::new());
        let mut settings = secure.settings(door);
        settings.iter_mut().filter(|(known, _)| *known == name).for_each(|(_, known)| *known = value.clone());
        let server = start(&place, &variables(&kafka, &settings));
        let reason = refusal(&server);
        assert!(reason.contains(part) && !reason.contains("wrong"), "{reason}");
        server.get("/api/v1/issues").expect(200);
        thread::sleep(Duration::from_secs(3));
        assert_eq!(refusal(&server), reason, "the reason stays while nothing changes");
        let ended = server.terminate();
        assert_eq!(ended.log.matches("the brokers refuse this server").count(), 1, "{}", ended.log);
        assert!(ended.status.success() && ended.took < Duration::from_secs(10), "{}", ended.log);
    }
}
