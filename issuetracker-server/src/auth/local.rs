//! Where a request comes from. Any web page can have browsers send requests to us, so a change must not come from a foreign
//! page. A server under a loopback address has no other wall, and a hostile name can resolve to it; so there a request
//! must also name a loopback host.

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

/// Checks one request. `public_url` is the origin that browsers know; `None` means a loopback address of any name.
///
/// # Errors
/// If it must not be served.
pub fn check(request: &Request, public_url: Option<&str>) -> Result<(), Refused> {
    let headers = request.headers();
    let authority = request.uri().authority().map(axum::http::uri::Authority::as_str);
    let host = authority.or_else(|| text(headers, header::HOST)).unwrap_or_default();
    // Plain http is for this machine only; behind TLS the cookie tells hosts apart.
    let public = public_url.filter(|url| url.starts_with("https://"));
    if public.is_none() && !is_loopback(host) {
        return Err(Refused::Host);
    }
    let is_ours = |origin: &str| match public {
        Some(public) => origin.eq_ignore_ascii_case(public),
        None => origin.strip_prefix("http://").is_some_and(|origin| origin.eq_ignore_ascii_case(host)),
    };
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    match text(headers, header::ORIGIN) {
        // Programs send no origin, browsers always do with a change.
        None => match text(headers, header::HeaderName::from_static("sec-fetch-site")) {
            None | Some("same-origin" | "none") => Ok(()),
            Some(_) => Err(Refused::Origin),
        },
        Some(origin) if is_ours(origin) => Ok(()),
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
        assert_eq!(check(&request.body(Body::empty()).unwrap(), None), expected, "{headers:?}");
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

    #[test]
    fn a_public_address_is_the_only_origin_of_changes() {
        let ours = Some("https://issues.example.com");
        let send = |method: Method, headers: &[(&str, &str)]| {
            let request = headers
                .iter()
                .fold(Request::builder().method(method), |request, (name, value)| request.header(*name, *value));
            check(&request.body(Body::empty()).unwrap(), ours)
        };
        // A proxy may call us by another name.
        let host = ("host", "10.0.0.7:8080");
        assert_eq!(send(Method::POST, &[host, ("origin", "https://issues.example.com")]), Ok(()));
        assert_eq!(send(Method::GET, &[host, ("origin", "https://evil.example")]), Ok(()));
        for origin in
            ["http://issues.example.com", "https://issues.example.com.evil.example", "http://10.0.0.7:8080", "null"]
        {
            assert_eq!(send(Method::POST, &[host, ("origin", origin)]), Err(Refused::Origin), "{origin}");
        }
        assert_eq!(send(Method::POST, &[host, ("sec-fetch-site", "same-site")]), Err(Refused::Origin));
    }
}
