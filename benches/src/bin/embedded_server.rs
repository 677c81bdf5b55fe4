//! How many events a second does the server make durable on its embedded default, how long do its lists take at 100,000
//! issues, and how much memory does it need? Asked over HTTP, of the release build. No limit is checked.
//!
//! Run with: `cargo xtask bench-server embedded [issues]`

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;

/// Events in one request: the most that the server takes.
const EVENTS: usize = 1_000;
/// Requests that are under way at the same time.
const SENDERS: usize = 4;
/// Issues that the repeats are of.
const KNOWN: usize = 500;
/// How often each page is asked for; the median counts.
const ROUNDS: usize = 25;

/// What is asked for, and what a person would call it.
const PAGES: [(&str, &str); 9] = [
    ("the first page, as HTML", "/issues"),
    ("the first page", "/api/v1/issues?status=open"),
    ("by a service", "/api/v1/issues?service=service-7"),
    ("by a frequent label", "/api/v1/issues?tag=team:a"),
    ("by a rare label", "/api/v1/issues?tag=rare:a"),
    (
        "by severity and environment, most frequent first",
        "/api/v1/issues?severity=error&environment=production&sort=occurrences",
    ),
    ("by a rare component, as HTML", "/issues?status=all&component=rare"),
    ("search for a frequent word, as HTML", "/issues?q=refused"),
    ("search for two words, as HTML", "/issues?q=refused+needle"),
];

#[expect(clippy::print_stdout, reason = "it answers a person")]
fn main() -> anyhow::Result<()> {
    let issues: usize = std::env::args().nth(1).map_or(Ok(100_000), |text| text.parse())?;
    let directory = std::env::temp_dir().join(format!("issuetracker-bench-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let server = Server::start(&directory)?;
    thread::sleep(Duration::from_secs(2));
    println!("| figure | |\n|---|---:|");
    println!("| resident memory, idle | {} MiB |", server.memory("VmRSS:")?);
    let new = server.send(issues, |number| number)?;
    println!("| new issues, durable | {new:.0}/s |");
    let repeats = server.send(issues * 2, |number| number % KNOWN)?;
    println!("| repeats, durable | {repeats:.0}/s |");
    println!("| resident memory, at its most | {} MiB |", server.memory("VmHWM:")?);
    println!("| … with {issues} issues, afterwards | {} MiB |", server.memory("VmRSS:")?);
    for (name, path) in PAGES {
        println!("| {name} | {:.1} ms |", server.ask(path)?.as_secs_f64() * 1_000.0);
    }
    drop(server);
    Ok(fs::remove_dir_all(&directory)?)
}

struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(directory: &Path) -> anyhow::Result<Self> {
        let programs = std::env::current_exe()?;
        let program = programs.with_file_name("issuetracker-server");
        let mut process = Command::new(&program)
            .env("ISSUETRACKER_HTTP_ADDR", "127.0.0.1:0")
            .env("ISSUETRACKER_STORE_PATH", directory.join("issues.sqlite"))
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let mut log = BufReader::new(process.stderr.take().context("no log")?).lines();
        let listening = log.find_map(|line| Some(line.ok()?.split_once("listening on http://")?.1.trim().to_owned()));
        // Read on, so that the server never waits for its log.
        thread::spawn(move || log.for_each(drop));
        Ok(Self { process, address: listening.context("the server has not started")? })
    }

    /// A line of the process's status, in MiB.
    fn memory(&self, name: &str) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes.div_ceil(1_024))
    }

    /// Sends so many events, each of the issue that `issue` says, and answers how many a second were acknowledged.
    fn send(&self, events: usize, issue: impl Fn(usize) -> usize) -> anyhow::Result<f64> {
        let numbers: Vec<usize> = (0..events).collect();
        let bodies: Vec<String> = numbers
            .chunks(EVENTS)
            .map(|chunk| chunk.iter().map(|number| event(issue(*number))).collect::<Vec<_>>().join("\n"))
            .collect();
        let start = Instant::now();
        thread::scope(|scope| {
            let senders: Vec<_> = (0..SENDERS)
                .map(|sender| {
                    let mut bodies = bodies.iter().skip(sender).step_by(SENDERS);
                    scope.spawn(move || bodies.try_for_each(|body| self.post(body)))
                })
                .collect();
            senders.into_iter().try_for_each(|sender| sender.join().map_err(|_| anyhow::anyhow!("a sender ended"))?)
        })?;
        #[expect(clippy::cast_precision_loss, reason = "some hundred thousands")]
        Ok(events as f64 / start.elapsed().as_secs_f64())
    }

    fn post(&self, body: &str) -> anyhow::Result<()> {
        let mut answer = ureq::post(format!("http://{}/api/v1/events", self.address)).send(body)?;
        let text = answer.body_mut().read_to_string()?;
        anyhow::ensure!(text.matches("\"accepted\"").count() == EVENTS, "not all were accepted: {text:.300}");
        Ok(())
    }

    /// How long the answer takes, in the median.
    fn ask(&self, path: &str) -> anyhow::Result<Duration> {
        let mut took = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let start = Instant::now();
            let mut answer = ureq::get(format!("http://{}{path}", self.address)).call()?;
            answer.body_mut().read_to_vec()?;
            took.push(start.elapsed());
        }
        took.sort_unstable();
        Ok(took[ROUNDS / 2])
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// About as large as what the library sends.
fn event(issue: usize) -> String {
    let one_in = |count: usize, name: &'static str| if issue.is_multiple_of(count) { name } else { "other" };
    let mut crumbs = String::new();
    for crumb in 0..5 {
        let comma = if crumb == 0 { "" } else { "," };
        // Writing to a string does not fail.
        let _ = write!(
            crumbs,
            r#"{comma}{{"at":"2026-11-25T12:00:0{crumb}Z","level":"info","message":"request {crumb} was sent to the venue"}}"#
        );
    }
    format!(
        r#"{{"v":1,"title":"order {issue} was refused {needle}","description":"The venue closed the connection while the order was on its way.","reporter_id":"service-{service}-service","service":"service-{service}","environment":"{environment}","release":"1.4.2","component":"{component}","severity":"{severity}","tags":["team:{team}","rare:{rare}"],"fingerprint":"issue {issue:x}","error":[{{"kind":"orders::Error","message":"order refused"}},{{"kind":"std::io::Error","message":"connection reset by peer"}}],"breadcrumbs":[{crumbs}],"host":"orders-7f9c","pid":7,"thread":"tokio-worker-3"}}"#,
        needle = one_in(500, "needle"),
        service = issue % 200,
        environment = one_in(2, "production"),
        component = one_in(2_000, "rare"),
        severity = if issue.is_multiple_of(100) { "critical" } else { "error" },
        team = one_in(2, "a"),
        rare = one_in(1_000, "a"),
    )
}
