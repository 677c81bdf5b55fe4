//! Protection of a server without login: its only wall is the loopback address, and browsers are a hole in it. Any web
//! page can send requests to 127.0.0.1, and a hostile name can resolve to it; so the request must name a loopback host,
//! and a change must not come from a foreign page.

use axum::{
    extract::Request,
    http::{HeaderMap, Method, header},
};

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It names another host than this machine: a name that was made to resolve here.
    Host,
    /// It was sent by a page of another site.
    Origin,
}

/// Checks one request.
///
/// # Errors
/// If it must not be served.
pub fn check(request: &Request) -> Result<(), Refused> {
    let headers = request.headers();
    let authority = request.uri().authority().map(axum::http::uri::Authority::as_str);
    let host = authority.or_else(|| text(headers, header::HOST)).unwrap_or_default();
    if !is_loopback(host) {
        return Err(Refused::Host);
    }
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    match text(headers, header::ORIGIN) {
        // Programs send no origin, browsers always do with a change.
        None => match text(headers, header::HeaderName::from_static("sec-fetch-site")) {
            None | Some("same-origin" | "none") => Ok(()),
            Some(_) => Err(Refused::Origin),
        },
        Some(origin) if origin.strip_prefix("http://").is_some_and(|origin| origin.eq_ignore_ascii_case(host)) => {
            Ok(())
        }
        Some(_) => Err(Refused::Origin),
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// `127.0.0.1:8080`, `[::1]:8080`, `localhost`, `issues.localhost:80`.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.to_ascii_lowercase();
    if name == "localhost" || name.ends_with(".localhost") {
        return true;
    }
    let address = name.trim_start_matches('[').trim_end_matches(']');
    address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[track_caller]
    fn check_request(method: Method, headers: &[(&str, &str)], expected: Result<(), Refused>) {
        let mut request = Request::builder().method(method).uri("/issues");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        assert_eq!(check(&request.body(Body::empty()).unwrap()), expected, "{headers:?}");
    }

    #[test]
    fn only_names_of_this_machine_are_served() {
        for host in ["127.0.0.1:8080", "127.9.9.9", "localhost:8080", "LOCALHOST", "[::1]:8080", "x.localhost"] {
            check_request(Method::GET, &[("host", host)], Ok(()));
        }
        for host in ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "10.0.0.1", "", "localhost.evil"] {
            check_request(Method::GET, &[("host", host)], Err(Refused::Host));
        }
    }

    #[test]
    fn foreign_pages_change_nothing() {
        let host = ("host", "127.0.0.1:8080");
        check_request(Method::POST, &[host], Ok(()));
        check_request(Method::POST, &[host, ("origin", "http://127.0.0.1:8080")], Ok(()));
        check_request(Method::POST, &[host, ("origin", "http://evil.example")], Err(Refused::Origin));
        check_request(Method::POST, &[host, ("origin", "http://127.0.0.1:9999")], Err(Refused::Origin));
        check_request(Method::POST, &[host, ("origin", "null")], Err(Refused::Origin));
        check_request(Method::PATCH, &[host, ("sec-fetch-site", "cross-site")], Err(Refused::Origin));
        check_request(Method::GET, &[host, ("origin", "http://evil.example")], Ok(()));
    }
}
