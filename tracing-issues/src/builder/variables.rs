//! The `TRACING_ISSUES_*` variables, read into a [`Builder`]. What cannot be used becomes a problem that names its
//! variable; all problems are told together, by `build`.

use std::{ffi::OsString, time::Duration};

use tracing::Level;

use super::{Builder, ConfigError, executable_name, invalid, kafka};

impl Builder {
    /// Takes every setting from the environment; [`from_env`](crate::from_env) lists the variables. What is wrong with them
    /// is told by [`build`](Self::build).
    pub fn from_env() -> Self {
        Self::from_variables(|name| std::env::var_os(name))
    }

    pub(super) fn from_variables(find: impl Fn(&str) -> Option<OsString>) -> Self {
        let mut variables = Variables { find, problems: Vec::new() };
        let mut builder = Self::new(variables.text("TRACING_ISSUES_SERVICE").unwrap_or_else(executable_name));
        builder.url = variables.text("TRACING_ISSUES_URL");
        builder.api_key = variables.text("TRACING_ISSUES_API_KEY");
        builder.kafka_brokers = variables.text(kafka::BROKERS);
        builder.kafka.security_protocol = variables.text(kafka::SECURITY_PROTOCOL);
        builder.kafka.sasl_mechanism = variables.text(kafka::SASL_MECHANISM);
        builder.kafka.sasl_username = variables.text(kafka::SASL_USERNAME);
        builder.kafka.sasl_password = variables.text(kafka::SASL_PASSWORD);
        builder.kafka.ssl_ca_file = variables.raw(kafka::SSL_CA_FILE).map(Into::into);
        builder.kafka.ssl_certificate_file = variables.raw(kafka::SSL_CERTIFICATE_FILE).map(Into::into);
        builder.kafka.ssl_key_file = variables.raw(kafka::SSL_KEY_FILE).map(Into::into);
        builder.redis_url = variables.text("TRACING_ISSUES_REDIS_URL");
        builder.spool = variables.raw("TRACING_ISSUES_SPOOL").map(Into::into);
        for (name, setting) in [
            ("TRACING_ISSUES_TOPIC", &mut builder.topic),
            ("TRACING_ISSUES_ENVIRONMENT", &mut builder.origin.environment),
            ("TRACING_ISSUES_RELEASE", &mut builder.origin.release),
            ("TRACING_ISSUES_PROJECT", &mut builder.origin.project),
        ] {
            if let Some(text) = variables.text(name) {
                *setting = text;
            }
        }
        let number = |text: &str| text.parse().ok();
        let expected = "error, warn, info, debug or trace";
        if let Some(level) = variables.parse("TRACING_ISSUES_LEVEL", expected, level_of) {
            builder = builder.level(level);
        }
        if let Some(most) = variables.parse("TRACING_ISSUES_BREADCRUMBS", "a number of events, 0 for none", number) {
            builder = builder.breadcrumbs(most);
        }
        if let Some(are_reported) = variables.parse("TRACING_ISSUES_PANICS", "true or false", truth_of) {
            builder = builder.panics(are_reported);
        }
        if let Some(reports) = variables.parse("TRACING_ISSUES_QUEUE_CAPACITY", "a number of reports", number) {
            builder = builder.queue_capacity(reports);
        }
        let milliseconds = |text: &str| text.parse().ok().map(Duration::from_millis);
        let expected = "a number of milliseconds, such as 5000";
        if let Some(timeout) = variables.parse("TRACING_ISSUES_FLUSH_TIMEOUT_MS", expected, milliseconds) {
            builder = builder.flush_timeout(timeout);
        }
        builder.problems = variables.problems;
        builder
    }
}

struct Variables<F> {
    find: F,
    problems: Vec<ConfigError>,
}

impl<F: Fn(&str) -> Option<OsString>> Variables<F> {
    /// A value as it is; set but empty counts as not set.
    fn raw(&self, name: &str) -> Option<OsString> {
        (self.find)(name).filter(|value| !value.is_empty())
    }

    fn text(&mut self, name: &'static str) -> Option<String> {
        let text = self.raw(name)?.into_string().ok();
        if text.is_none() {
            self.problems.push(invalid(name, "expected UTF-8".to_owned()));
        }
        text
    }

    /// A value as what it is to be.
    fn parse<T>(&mut self, name: &'static str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = self.text(name)?;
        let parsed = parse(text.trim());
        if parsed.is_none() {
            self.problems.push(invalid(name, format!("expected {expected}; it is `{text}`")));
        }
        parsed
    }
}

fn level_of(text: &str) -> Option<Level> {
    let levels = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
    levels.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(text))
}

fn truth_of(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}
