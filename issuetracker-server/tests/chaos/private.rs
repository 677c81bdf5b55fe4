//! A broker or an emulator of a scenario's own, to freeze and to kill. The shared ones are everybody's and stay well.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer},
};
use tempfile::TempDir;

use super::{Random, eventually};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/services");

/// The process. It is killed when this is dropped.
pub(crate) struct Private {
    service: &'static str,
    port: u16,
    directory: TempDir,
    child: Child,
}

impl Private {
    /// Apache Kafka; what it has written survives a [`restart`](Self::restart).
    pub(crate) fn kafka() -> Self {
        Self::start("kafka")
    }

    /// Google's emulator; it forgets everything when it ends.
    pub(crate) fn firestore() -> Self {
        Self::start("firestore")
    }

    fn start(service: &'static str) -> Self {
        let (port, directory) = (free_port(), tempfile::tempdir().unwrap());
        let child = spawn(service, port, &directory);
        let mut private = Self { service, port, directory, child };
        private.wait();
        private
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Stops it in the middle of whatever it does; its connections stay open.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn restart(&mut self) {
        self.child = spawn(self.service, self.port, &self.directory);
        self.wait();
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    fn wait(&mut self) {
        let address = self.address();
        eventually("the private service answers", || {
            let log = || fs::read_to_string(self.directory.path().join("log.txt")).unwrap_or_default();
            assert!(self.child.try_wait().unwrap().is_none(), "{} ended: {}", self.service, log());
            let is_up = if self.service == "kafka" { kafka_answers(&address) } else { http_answers(&address) };
            if is_up { Ok(()) } else { Err(log()) }
        });
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // Both fail only for a process that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(service: &str, port: u16, directory: &TempDir) -> Child {
    let log = File::options().create(true).append(true).open(directory.path().join("log.txt")).unwrap();
    let mut command = Command::new(SCRIPT);
    command.args(["run", service, &port.to_string()]).arg(directory.path().join("data")).stdin(Stdio::null());
    command.stdout(log.try_clone().unwrap()).stderr(log);
    command.spawn().unwrap()
}

/// A port where nothing listens, nor on the next one, below those that the system gives to clients.
fn free_port() -> u16 {
    let mut random = Random::new();
    let ports = std::iter::repeat_with(|| 20_000 + u16::try_from(random.below(9_000)).unwrap());
    let is_free = |port: &u16| [*port, port + 1].iter().all(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    ports.take(1_000).find(is_free).expect("a free port")
}

fn kafka_answers(address: &str) -> bool {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", address).set_log_level(RDKafkaLogLevel::Emerg);
    let consumer: BaseConsumer = client.create().unwrap();
    consumer.fetch_metadata(None, Duration::from_secs(2)).is_ok()
}

fn http_answers(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut start = [0; 12];
    stream.write_all(format!("GET / HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes()).is_ok()
        && stream.read_exact(&mut start).is_ok()
        && start.ends_with(b" 200")
}
