//! The variables as they were found, each read once, with the problems that came up.

use std::{collections::BTreeMap, fs, str::FromStr};

use super::{Config, ConfigErrors, Secret};

const PREFIX: &str = "ISSUETRACKER_";

/// Every name there is; docs/operations.md has the table.
const NAMES: [&str; 45] = [
    "HTTP_ADDR",
    "HTTP_REQUESTS_PER_MINUTE",
    "HTTP_EVENT_REQUESTS_PER_MINUTE",
    "HTTP_PROXIES",
    "HTTP_PUBLIC_URL",
    "HTTP_TLS_CERTIFICATE_FILE",
    "HTTP_TLS_KEY_FILE",
    "OIDC_ISSUER",
    "OIDC_CREDENTIALS_FILE",
    "OIDC_DOMAINS",
    "OIDC_ADMINS",
    "SESSION_IDLE_MINUTES",
    "SESSION_MAX_MINUTES",
    "STORE",
    "STORE_PATH",
    "FIRESTORE_PROJECT",
    "FIRESTORE_DATABASE",
    "FIRESTORE_CREDENTIALS",
    "FIRESTORE_EMULATOR",
    "KAFKA_BROKERS",
    "KAFKA_TOPIC",
    "KAFKA_GROUP",
    "KAFKA_DLQ_TOPIC",
    "KAFKA_CHANGES_TOPIC",
    "KAFKA_PARTITIONS",
    "KAFKA_RETENTION_HOURS",
    "KAFKA_MAX_INVALID",
    "KAFKA_SECURITY_PROTOCOL",
    "KAFKA_SASL_MECHANISM",
    "KAFKA_SASL_USERNAME",
    "KAFKA_SASL_PASSWORD",
    "KAFKA_SASL_PASSWORD_FILE",
    "KAFKA_SSL_CA_FILE",
    "KAFKA_SSL_CERTIFICATE_FILE",
    "KAFKA_SSL_KEY_FILE",
    "NOTIFY_INTERNAL_HOSTS",
    "SMTP_URL",
    "SMTP_FROM",
    "SMTP_USERNAME",
    "SMTP_PASSWORD",
    "SMTP_PASSWORD_FILE",
    "RETENTION_EVENTS",
    "RETENTION_DONE_DAYS",
    "LOG",
    "LOG_FORMAT",
];

pub(super) struct Variables {
    values: BTreeMap<String, String>,
    problems: Vec<String>,
}

impl Variables {
    pub(super) fn of(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let own = |(name, value): (String, String)| Some((name.strip_prefix(PREFIX)?.to_owned(), value));
        Self { values: pairs.into_iter().filter_map(own).collect(), problems: Vec::new() }
    }

    /// A value; set but empty counts as not set.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        debug_assert!(NAMES.contains(&name), "{name} is not in NAMES");
        self.values.get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A value as what it is to be.
    pub(super) fn parse<T: FromStr>(&mut self, name: &'static str, expected: &str) -> Option<T> {
        let parsed = self.text(name)?.parse().ok();
        if parsed.is_none() {
            self.problem(name, expected);
        }
        parsed
    }

    /// A secret: the value itself, or the file that has it, as orchestrators mount it.
    pub(super) fn secret(&mut self, name: &'static str, file_name: &'static str) -> Option<Secret> {
        let (text, path) = (self.text(name), self.text(file_name));
        if text.is_some() && path.is_some() {
            self.problem(file_name, &format!("set either this or {PREFIX}{name}"));
        }
        let text = match (text, path) {
            (None, Some(path)) => match fs::read_to_string(&path) {
                Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
                Err(error) => {
                    self.problem(file_name, &format!("{path} cannot be read: {error}"));
                    None
                }
            },
            (text, _) => text,
        };
        text.map(Secret)
    }

    pub(super) fn problem(&mut self, name: &str, what: &str) {
        self.problems.push(format!("{PREFIX}{name}: {what}"));
    }

    /// How many problems came up until now.
    pub(super) fn count(&self) -> usize {
        self.problems.len()
    }

    pub(super) fn finish(mut self, config: Config) -> Result<Config, ConfigErrors> {
        let unknown: Vec<String> = self.values.keys().filter(|name| !NAMES.contains(&name.as_str())).cloned().collect();
        for name in unknown {
            match NAMES.iter().min_by_key(|known| distance(known, &name)).filter(|known| distance(known, &name) <= 3) {
                Some(known) => self.problem(&name, &format!("nobody reads this; did you mean {PREFIX}{known}?")),
                None => self.problem(&name, "nobody reads this; docs/operations.md lists the variables"),
            }
        }
        if self.problems.is_empty() { Ok(config) } else { Err(ConfigErrors(self.problems)) }
    }
}

/// How many letters have to be inserted, removed or replaced.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_is_documented() {
        let docs = include_str!("../../../docs/operations.md");
        for name in NAMES {
            assert!(docs.contains(&format!("`{PREFIX}{name}`")), "docs/operations.md does not name {PREFIX}{name}");
        }
    }
}
