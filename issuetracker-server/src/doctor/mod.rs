//! `issuetracker-server doctor`: sends one marked error down the configured road, as a service would, and tells step by
//! step how far it came. It runs beside the server, in a process of its own, and changes nothing but its own issue.

#[cfg(feature = "kafka")]
mod broker;
mod marked;
mod running;

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use self::{marked::Road, running::RunningServer};
use crate::config::{Config, ConfigErrors};

/// What can be said on the command line.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Address of the running server; where ISSUETRACKER_HTTP_ADDR says unless given.
    #[arg(long)]
    url: Option<String>,
    /// How many seconds one step may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    timeout: u64,
}

/// Why a step failed, and what a person can do about it.
#[derive(Debug)]
struct Failure {
    what: String,
    advice: String,
}

impl Failure {
    fn new(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what: what.into(), advice: advice.into() }
    }
}

/// What a step found out, for people and for the next steps.
type Found<T> = Result<(String, T), Failure>;

/// A step failed and was told, or nobody listens.
enum Stuck {
    Failed,
    Unheard(io::Error),
}

/// Takes the steps and writes a line for each. Tells whether the error came all the way.
///
/// # Errors
/// If `out` cannot be written to.
pub fn run(arguments: &Arguments, config: Result<Config, ConfigErrors>, out: &mut dyn Write) -> io::Result<bool> {
    let timeout = Duration::from_secs(arguments.timeout);
    match examine(&mut Steps { out }, arguments.url.as_deref(), config, timeout) {
        Ok(()) => Ok(true),
        Err(Stuck::Failed) => Ok(false),
        Err(Stuck::Unheard(error)) => Err(error),
    }
}

fn examine(
    steps: &mut Steps<'_>,
    url: Option<&str>,
    config: Result<Config, ConfigErrors>,
    timeout: Duration,
) -> Result<(), Stuck> {
    let config = steps.take("configuration is valid", || match config {
        Ok(config) => {
            let kafka = config.kafka.as_ref();
            let road = kafka.map_or("HTTP".to_owned(), |kafka| format!("Kafka at {}", kafka.brokers));
            Ok((format!("events come over {road}"), config))
        }
        Err(errors) => Err(Failure::new(errors.to_string(), "mend these variables; docs/operations.md lists them")),
    })?;
    let url = url.map_or_else(|| format!("http://{}", config.http_addr), |url| url.trim_end_matches('/').to_owned());
    let server = RunningServer::at(&url, timeout);

    let sent = match &config.kafka {
        None => {
            steps.take("server is reachable", || server.is_alive())?;
            steps.take("event is accepted", || marked::send(&Road::Http(&url), timeout))?
        }
        // Such a configuration is not valid in this build.
        #[cfg(not(feature = "kafka"))]
        Some(_) => return Err(Stuck::Failed),
        #[cfg(feature = "kafka")]
        Some(kafka) => {
            let broker = steps.take("Kafka is reachable", || broker::Broker::connect(kafka, timeout))?;
            let sent = steps.take("event is accepted", || marked::send(&Road::Kafka(kafka), timeout))?;
            steps.take("consumer group reads it", || broker.is_consumed(timeout))?;
            sent
        }
    };
    steps.take("event is stored", || server.has_stored(&sent, timeout))?;
    steps.take("issue is shown", || server.shows(&sent))
}

/// The lines that are written.
struct Steps<'a> {
    out: &'a mut dyn Write,
}

impl Steps<'_> {
    fn take<T>(&mut self, name: &str, step: impl FnOnce() -> Found<T>) -> Result<T, Stuck> {
        let start = Instant::now();
        let result = step();
        let seconds = start.elapsed().as_secs_f64();
        let mut line = |verdict: &str, detail: &str| {
            writeln!(self.out, "{verdict:<6}  {name:<23}  {seconds:>5.1} s  {detail}").map_err(Stuck::Unheard)
        };
        match result {
            Ok((detail, value)) => {
                line("ok", &detail)?;
                Ok(value)
            }
            Err(Failure { what, advice }) => {
                line("FAILED", &what)?;
                writeln!(self.out, "\nWhat to do: {advice}.").map_err(Stuck::Unheard)?;
                Err(Stuck::Failed)
            }
        }
    }
}

/// Asks until the answer is `Ok`, and fails with the last failure if that takes too long.
fn wait_until<T>(timeout: Duration, mut ask: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    let deadline = Instant::now() + timeout;
    loop {
        match ask() {
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(100)),
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examined(pairs: &[(&str, &str)]) -> (bool, String) {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let (config, mut out) = (Config::from_pairs(pairs), Vec::new());
        let arguments = Arguments { url: None, timeout: 1 };
        let is_healthy = run(&arguments, config, &mut out).unwrap();
        (is_healthy, String::from_utf8(out).unwrap())
    }

    #[test]
    fn it_stops_at_the_step_that_fails_and_says_what_to_do() {
        let (is_healthy, said) = examined(&[("ISSUETRACKER_HTTP_ADDR", "127.0.0.1:1")]);
        assert!(!is_healthy);
        assert!(said.starts_with("ok      configuration is valid"), "{said}");
        assert!(said.contains("\nFAILED  server is reachable") && said.contains("What to do: start"), "{said}");
        assert!(!said.contains("accepted"), "{said}");
    }

    #[test]
    fn every_problem_of_the_configuration_is_told() {
        let (is_healthy, said) = examined(&[("ISSUETRACKER_STORE", "mongo"), ("ISSUETRACKER_LOG_FORMAT", "xml")]);
        assert!(!is_healthy);
        assert!(said.starts_with("FAILED  configuration is valid"), "{said}");
        assert!(said.contains("ISSUETRACKER_STORE: ") && said.contains("ISSUETRACKER_LOG_FORMAT: "), "{said}");
    }
}
