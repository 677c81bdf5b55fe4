//! The real server as a process, for tests that see it as its users do: started on a free port, asked over HTTP, stopped
//! or killed. When a test fails, the logs of its servers are printed.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::print_stderr, reason = "the log of a server whose test fails")]

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, HeaderName};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Events of the original format, as other languages send them, a line each; and what each line becomes.
pub(crate) const FOREIGN_EVENTS: &str = include_str!("../data/foreign-events.jsonl");
const FOREIGN_ISSUES: &str = include_str!("../data/foreign-issues.jsonl");

/// How long anything may take before a test gives up on it: far more than it needs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks until the answer is `Ok`, and fails with the last `Err` if that takes too long.
#[track_caller]
pub(crate) fn wait_until<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(state) if Instant::now() > deadline => {
                panic!("{what}: not within {PATIENCE:?}; the last state: {state}")
            }
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// `Ok` if both are the same.
pub(crate) fn equal<T: PartialEq + std::fmt::Debug>(found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{found:?} instead of {expected:?}")) }
}

/// A directory of its own for one test: the servers started in it share its store.
pub(crate) struct Place {
    directory: TempDir,
    servers: AtomicU32,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), servers: AtomicU32::new(0) }
    }

    /// The variables of a server with login, and the file that they name. Nobody listens where the provider should be.
    pub(crate) fn login(&self) -> [(&'static str, &'static str); 2] {
        let file = self.path().join("client.json");
        std::fs::write(&file, r#"{"web": {"client_id": "id", "client_secret": "hush"}}"#).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        [("ISSUETRACKER_OIDC_ISSUER", "http://127.0.0.1:1"), ("ISSUETRACKER_OIDC_CREDENTIALS_FILE", "client.json")]
    }

    /// A new key of a service.
    pub(crate) fn key(&self, variables: &[(&str, &str)], service: &str) -> String {
        let created = self.run(variables, &["keys", "create", service]);
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
        String::from_utf8(created.stdout).unwrap().trim().to_owned()
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The server, not running yet, with these variables and no others of ours.
    pub(crate) fn command(&self, variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_issuetracker-server"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ISSUETRACKER_") {
                command.env_remove(name);
            }
        }
        command
            .current_dir(self.path())
            .env("ISSUETRACKER_HTTP_ADDR", "127.0.0.1:0")
            .env("ISSUETRACKER_STORE_PATH", self.path().join("issues.sqlite"))
            .env("ISSUETRACKER_LOG", "info,issuetracker_server=debug")
            .env("NO_COLOR", "1")
            .envs(variables.iter().copied())
            .stdin(Stdio::null());
        command
    }

    /// Runs the server to its end and returns what it said.
    #[track_caller]
    pub(crate) fn run(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
        self.command(variables).args(arguments).output().unwrap()
    }

    /// Runs the doctor with these variables, checks its exit code, and returns what it said.
    #[track_caller]
    pub(crate) fn examine(&self, variables: &[(&str, &str)], arguments: &[&str], code: i32) -> String {
        let output = self.run(variables, &[&["doctor"], arguments].concat());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    /// A running server that answers.
    #[track_caller]
    pub(crate) fn start(&self, variables: &[(&str, &str)]) -> Server {
        let log = self.path().join(format!("server-{}.log", self.servers.fetch_add(1, Ordering::Relaxed)));
        let child = self.command(variables).stderr(File::create(&log).unwrap()).spawn().unwrap();
        let mut server = Server { child, log, address: String::new() };
        server.address = wait_until("the server listens", || {
            if let Some(status) = server.child.try_wait().unwrap() {
                panic!("the server ended with {status}");
            }
            let log = server.log();
            let line = log.lines().find_map(|line| line.split_once("listening on ")?.1.split_once("://"));
            // In JSON more of the line follows.
            line.map(|(_, address)| address.split('"').next().unwrap().trim().to_owned()).ok_or(log)
        });
        server
    }
}

/// A server's process. It is killed when this is dropped.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
    /// `127.0.0.1:port`
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "")
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.ask("POST", path, &[("content-type", "application/json")], body)
    }

    #[track_caller]
    pub(crate) fn patch(&self, path: &str, body: &Value) -> Answer {
        self.ask("PATCH", path, &[("content-type", "application/json")], body.to_string())
    }

    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
        match self.try_ask(method, path, headers, body) {
            Ok(answer) => answer,
            Err(error) => panic!("{method} {path}: {error}"),
        }
    }

    /// As [`ask`](Self::ask), for a server that may be gone.
    pub(crate) fn try_ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> io::Result<Answer> {
        let mut bytes = Vec::new();
        // A server that refuses a request without reading all of it answers and closes: what came before counts.
        let end = self.open(method, path, headers, body).and_then(|mut stream| stream.read_to_end(&mut bytes));
        let incomplete = || end.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into());
        let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Err(incomplete()) };
        let text = String::from_utf8_lossy(&bytes[..head]);
        let mut lines = text.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap();
        let headers: HeaderMap = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        let body = bytes[head + 4..].to_vec();
        let length = headers.get("content-length").map(|length| length.to_str().unwrap().parse().unwrap());
        if length.is_some_and(|length: usize| length != body.len()) {
            return Err(incomplete());
        }
        Ok(Answer { asked: format!("{method} {path}"), status, headers, body })
    }

    /// Sends a request on a connection of its own and returns the connection, where the answer will arrive.
    pub(crate) fn open(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> io::Result<TcpStream> {
        let body = body.as_ref();
        let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        let host = [("host", &*self.address)];
        let host = host.iter().filter(|_| headers.iter().all(|(name, _)| *name != "host"));
        for (name, value) in host.chain(headers) {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        if !body.is_empty() {
            write!(request, "content-length: {}\r\n", body.len()).unwrap();
        }
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // Who has answered already need not take all of it.
        let _ = stream.write_all(&[request.as_bytes(), b"\r\n", body].concat());
        Ok(stream)
    }

    /// Sends events, a line each, and returns their results.
    #[track_caller]
    pub(crate) fn ingest(&self, events: &[Value]) -> Vec<Value> {
        let body = events.iter().fold(String::new(), |mut body, event| {
            writeln!(body, "{event}").unwrap();
            body
        });
        let answer = self.post("/api/v1/events", body).expect(200).json();
        answer["results"].as_array().unwrap().clone()
    }

    /// Every issue that `query` (`service=a&limit=3`) lists, over all pages.
    #[track_caller]
    pub(crate) fn issues(&self, query: &str) -> Vec<Value> {
        let (mut issues, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/api/v1/issues?{query}{cursor}")).expect(200).json();
            issues.extend(page["issues"].as_array().unwrap().iter().cloned());
            let Some(next) = page["next_cursor"].as_str() else { return issues };
            cursor = format!("&cursor={next}");
        }
    }

    /// The sum of a metric over those of its series that have all these labels (`road="kafka"`).
    #[track_caller]
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.get("/metrics").expect(200).text();
        let values = text.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let is_it = series == name || series.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'));
            (is_it && labels.iter().all(|label| series.contains(label))).then(|| value.parse::<f64>().unwrap())
        });
        values.sum()
    }

    /// Ends it as an operator does, and returns how it ended.
    #[track_caller]
    pub(crate) fn terminate(mut self) -> Ended {
        let asked = Instant::now();
        self.signal("TERM");
        let status = wait_until("the server stops", || {
            self.child.try_wait().unwrap().ok_or_else(|| format!("it still runs; its log:\n{}", self.log()))
        });
        Ended { status, took: asked.elapsed(), log: self.log() }
    }

    /// How long it has used a processor until now.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The fields after the command, which may contain anything: user and system time are the twelfth and thirteenth.
        let fields = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
        // In ticks of 10 ms, wherever this runs.
        Duration::from_millis(fields.map(|ticks| 10 * ticks.parse::<u64>().unwrap()).sum())
    }

    /// Ends it as a crash does: nothing is finished, nothing is said.
    pub(crate) fn kill(&self) {
        self.signal("KILL");
    }

    #[track_caller]
    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only for a process that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- the log of the server at {}\n{}", self.address, self.log());
        }
    }
}

/// How a server ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) took: Duration,
    pub(crate) log: String,
}

/// What a server answered.
pub(crate) struct Answer {
    asked: String,
    pub(crate) status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    /// Itself, if this is its status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.asked, self.text());
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("{}: no JSON, {error}: {}", self.asked, self.text()),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Checks that this is an error in the API's shape, and returns its message.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> String {
        assert_eq!(self.status, status, "{}: {}", self.asked, self.text());
        let body = self.json();
        let error = &body["error"];
        assert_eq!(error["code"], code, "{}: {body}", self.asked);
        let request_id = error["request_id"].as_str().unwrap();
        assert!(!request_id.is_empty(), "{}: {body}", self.asked);
        assert_eq!(self.header("x-request-id"), Some(request_id), "{}: {body}", self.asked);
        let message = error["message"].as_str().unwrap();
        assert!(!message.is_empty(), "{}: {body}", self.asked);
        message.to_owned()
    }
}

/// Checks that the line `number` of [`FOREIGN_EVENTS`] has become what the line with the same number of the golden file
/// says: every field named there, and the whole context of the occurrence.
#[track_caller]
pub(crate) fn check_foreign_issue(server: &Server, number: usize, id: &str) {
    let expected: Value = serde_json::from_str(foreign_issues()[number]).unwrap();
    let issue = server.get(&format!("/api/v1/issues/{id}")).expect(200).json();
    let fields = expected["issue"].as_object().unwrap();
    let found: Value =
        fields.keys().map(|name| (name.clone(), issue[name].clone())).collect::<serde_json::Map<_, _>>().into();
    assert_eq!(found, expected["issue"], "line {} has become another issue", number + 1);
    let page = server.get(&format!("/api/v1/issues/{id}/occurrences?limit=100")).expect(200).json();
    let occurrences = page["occurrences"].as_array().unwrap();
    let contexts: Vec<Value> = occurrences
        .iter()
        .map(|occurrence| occurrence["details"].get("context").cloned().unwrap_or_else(|| json!({})))
        .collect();
    assert!(contexts.contains(&expected["context"]), "line {}: {contexts:#?}", number + 1);
}

/// The lines of the golden file.
pub(crate) fn foreign_issues() -> Vec<&'static str> {
    FOREIGN_ISSUES.lines().collect()
}
