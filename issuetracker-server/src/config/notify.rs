//! How people are notified: the mail server, and internal hosts that messages may go to.

use lettre::message::Mailbox;
use reqwest::Url;

use super::{Secret, login::is_this_machine, variables::Variables};

/// How people are notified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotifyConfig {
    /// Hosts that webhooks may go to although they are not public, and without TLS.
    pub internal_hosts: Vec<String>,
    /// The mail server; without it no mail is sent.
    pub mail: Option<MailConfig>,
}

/// The mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailConfig {
    /// Its name.
    pub host: String,
    /// If it is not the usual one.
    pub port: Option<u16>,
    /// How the connection is protected.
    pub security: MailSecurity,
    /// User name and password, if it wants any.
    pub credentials: Option<(String, Secret)>,
    /// Who writes.
    pub from: Mailbox,
}

/// How a connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailSecurity {
    /// TLS from the start.
    Tls,
    /// TLS before anything is said.
    StartTls,
    /// Not at all: the server is on this machine.
    Plain,
}

impl NotifyConfig {
    pub(super) fn describe(&self) -> String {
        let mail = match &self.mail {
            None => "no mail".to_owned(),
            Some(mail) => {
                let password = if mail.credentials.is_some() { ", password ***" } else { "" };
                format!("mail by {} from {}{password}", mail.host, mail.from)
            }
        };
        match self.internal_hosts.as_slice() {
            [] => mail,
            hosts => format!("{mail}; internal hosts {}", hosts.join(", ")),
        }
    }
}

pub(super) fn read(variables: &mut Variables) -> NotifyConfig {
    let hosts = variables.text("NOTIFY_INTERNAL_HOSTS").unwrap_or_default();
    let internal_hosts: Vec<String> =
        hosts.split(',').map(str::trim).filter(|host| !host.is_empty()).map(str::to_owned).collect();
    if internal_hosts.iter().any(|host| host.contains(['/', '*', '@', ' '])) {
        variables.problem("NOTIFY_INTERNAL_HOSTS", "expected names or addresses of hosts, separated by commas");
    }
    NotifyConfig { internal_hosts, mail: mail(variables) }
}

fn mail(variables: &mut Variables) -> Option<MailConfig> {
    let (url, from) = (variables.text("SMTP_URL"), variables.text("SMTP_FROM"));
    let username = variables.text("SMTP_USERNAME");
    let password = variables.secret("SMTP_PASSWORD", "SMTP_PASSWORD_FILE");
    let Some(url) = url else {
        if from.is_some() || username.is_some() || password.is_some() {
            variables.problem("SMTP_URL", "is missing; for example smtps://smtp.example.com");
        }
        return None;
    };
    let parsed = Url::parse(&url).ok().filter(|url| {
        let is_bare = url.username().is_empty() && url.password().is_none() && matches!(url.path(), "" | "/");
        is_bare && matches!(url.scheme(), "smtp" | "smtps") && url.host_str().is_some_and(|host| !host.is_empty())
    });
    if parsed.is_none() {
        variables.problem(
            "SMTP_URL",
            "expected smtps://host or smtp://host:587, which has to speak STARTTLS unless it is on this machine; \
             user name and password have variables of their own",
        );
    }
    let from = from.unwrap_or_default().parse::<Mailbox>();
    if from.is_err() {
        variables.problem("SMTP_FROM", "expected a mail address, such as Issues <issues@example.com>");
    }
    let credentials = match (username, password) {
        (Some(username), Some(password)) => Some((username, password)),
        (None, None) => None,
        (Some(_), None) => {
            variables.problem("SMTP_PASSWORD", "is missing; there is a user name");
            None
        }
        (None, Some(_)) => {
            variables.problem("SMTP_USERNAME", "is missing; there is a password");
            None
        }
    };
    let (url, from) = (parsed?, from.ok()?);
    let security = match url.scheme() {
        "smtps" => MailSecurity::Tls,
        _ if is_this_machine(&url) => MailSecurity::Plain,
        _ => MailSecurity::StartTls,
    };
    let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
    Some(MailConfig { host, port: url.port(), security, credentials, from })
}

#[cfg(test)]
mod tests {
    use super::super::{Config, ConfigErrors};
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
        let pairs = pairs.iter().map(|(name, value)| (format!("ISSUETRACKER_{name}"), (*value).to_owned()));
        Config::from_pairs(pairs)
    }

    #[test]
    fn mail_is_protected_unless_its_server_is_here() {
        for (url, security) in [
            ("smtps://smtp.example.com", MailSecurity::Tls),
            ("smtp://smtp.example.com:587", MailSecurity::StartTls),
            ("smtp://127.0.0.1:2525", MailSecurity::Plain),
            ("smtp://localhost", MailSecurity::Plain),
        ] {
            let config = read(&[("SMTP_URL", url), ("SMTP_FROM", "Issues <issues@example.com>")]).unwrap();
            assert_eq!(config.notify.mail.unwrap().security, security, "{url}");
        }
        let all = [
            ("SMTP_URL", "smtps://smtp.example.com:4465"),
            ("SMTP_FROM", "issues@example.com"),
            ("SMTP_USERNAME", "issues"),
            ("SMTP_PASSWORD", "hunter2"),
            ("NOTIFY_INTERNAL_HOSTS", "chat.internal, 10.0.0.7"),
        ];
        let config = read(&all).unwrap();
        let shown = format!("{config:?} {:?}", config.describe());
        assert!(!shown.contains("hunter2") && shown.contains("chat.internal, 10.0.0.7"), "{shown}");
        assert_eq!(config.notify.mail.unwrap().port, Some(4465));
        assert_eq!(read(&[]).unwrap().notify, NotifyConfig::default());
    }

    #[test]
    fn what_is_wrong_names_its_variable() {
        #[track_caller]
        fn check(pairs: &[(&str, &str)], name: &str) {
            let error = read(pairs).unwrap_err().to_string();
            assert!(error.contains(&format!("ISSUETRACKER_{name}: ")) && !error.contains("hunter2"), "{error}");
        }
        let (url, from) = (("SMTP_URL", "smtps://smtp.example.com"), ("SMTP_FROM", "issues@example.com"));
        check(&[from], "SMTP_URL");
        check(&[url], "SMTP_FROM");
        check(&[url, ("SMTP_FROM", "issues")], "SMTP_FROM");
        for wrong in ["smtp.example.com", "https://smtp.example.com", "smtps://u:hunter2@smtp.example.com"] {
            check(&[("SMTP_URL", wrong), from], "SMTP_URL");
        }
        check(&[url, from, ("SMTP_USERNAME", "issues")], "SMTP_PASSWORD");
        check(&[url, from, ("SMTP_PASSWORD", "hunter2")], "SMTP_USERNAME");
        check(&[url, from, ("SMTP_USERNAME", "u"), ("SMTP_PASSWORD_FILE", "/nowhere")], "SMTP_PASSWORD_FILE");
        check(&[("NOTIFY_INTERNAL_HOSTS", "http://x/")], "NOTIFY_INTERNAL_HOSTS");
    }
}
