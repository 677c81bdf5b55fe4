//! The two cookies there are: the session, and a login under way. Under a public address their names begin with
//! `__Host-`, so browsers take them only from us, and only over TLS.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};

use crate::config::LoginConfig;

/// Which cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cookie {
    /// Who is logged in.
    Session,
    /// Which browser has begun a login.
    Login,
}

impl Cookie {
    const fn name(self, is_plain: bool) -> &'static str {
        match (self, is_plain) {
            (Self::Session, false) => "__Host-issuetracker",
            (Self::Login, false) => "__Host-issuetracker-login",
            (Self::Session, true) => "issuetracker",
            (Self::Login, true) => "issuetracker-login",
        }
    }

    /// Its value, if the request has exactly one that we could have made.
    pub(crate) fn read<'a>(self, headers: &'a HeaderMap, config: &LoginConfig) -> Option<&'a str> {
        let name = self.name(config.is_plain());
        let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut values = pairs.filter(|(found, _)| *found == name).map(|(_, value)| value);
        let value = values.next().filter(|_| values.next().is_none())?;
        let is_ours =
            value.len() == 43 && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        is_ours.then_some(value)
    }

    /// Has the browser keep it for so long.
    pub(crate) fn set(self, value: &str, keep: Duration, config: &LoginConfig) -> HeaderValue {
        let secure = if config.is_plain() { "" } else { "; Secure" };
        let (name, seconds) = (self.name(config.is_plain()), keep.as_secs());
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
        // Made of our own letters only.
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    }

    /// Has the browser forget it.
    pub(crate) fn clear(self, config: &LoginConfig) -> HeaderValue {
        self.set("", Duration::ZERO, config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn config(public_url: &str) -> LoginConfig {
        LoginConfig {
            issuer: String::new(),
            public_url: public_url.to_owned(),
            client_id: String::new(),
            client_secret: Secret(String::new()),
            domains: Vec::new(),
            admins: Vec::new(),
            session_idle: Duration::ZERO,
            session_max: Duration::ZERO,
        }
    }

    #[test]
    fn a_cookie_is_safe_where_there_is_tls() {
        let set = Cookie::Session.set("v", Duration::from_secs(9), &config("https://issues.example.com"));
        assert_eq!(set, "__Host-issuetracker=v; Path=/; HttpOnly; SameSite=Lax; Max-Age=9; Secure");
        let clear = Cookie::Login.clear(&config("http://127.0.0.1:1"));
        assert_eq!(clear, "issuetracker-login=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    }

    #[test]
    fn only_one_cookie_of_ours_is_read() {
        let (ours, other) = ("a".repeat(43), "b".repeat(43));
        let read = |lines: &[String]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::COOKIE, line.parse().unwrap());
            }
            Cookie::Session.read(&headers, &config("https://x.example")).map(str::to_owned)
        };
        assert_eq!(read(&[format!("x=1; __Host-issuetracker={ours}; y=2")]), Some(ours.clone()));
        assert_eq!(read(&["x=1".to_owned(), format!("__Host-issuetracker={ours}")]), Some(ours.clone()));
        for wrong in [
            format!("issuetracker={ours}"),
            format!("__Host-issuetracker={ours}; __Host-issuetracker={other}"),
            "__Host-issuetracker=short".to_owned(),
            format!("__Host-issuetracker={}'", "a".repeat(42)),
        ] {
            assert_eq!(read(std::slice::from_ref(&wrong)), None, "{wrong}");
        }
    }
}
