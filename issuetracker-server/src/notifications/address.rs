//! Which addresses of the web this server may be sent to by a rule. Rules are written by ADMINs, but what is behind a name
//! is decided by whoever owns the name: a request must not reach what only this machine or its network can reach.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

/// Hosts that may be reached although they are not public, and without TLS: their operator says so.
#[derive(Debug, Clone)]
pub(super) struct Allowed(pub(super) Arc<[String]>);

impl Allowed {
    fn has(&self, host: &str) -> bool {
        self.0.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
    }

    /// What is wrong with this address, in words for whoever wrote it.
    pub(super) fn complaint(&self, text: &str) -> Option<&'static str> {
        const EXPECTED: &str = "expected an address such as https://hooks.example.com/…";
        let Ok(url) = Url::parse(text) else { return Some(EXPECTED) };
        let host = url.host_str().unwrap_or_default();
        if host.is_empty() || !matches!(url.scheme(), "http" | "https") {
            return Some(EXPECTED);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Some("no user name or password in the address");
        }
        if self.has(bare(host)) {
            return None;
        }
        if url.scheme() != "https" {
            return Some("expected https; ISSUETRACKER_NOTIFY_INTERNAL_HOSTS names hosts that need none");
        }
        let is_private = bare(host).parse().is_ok_and(|ip| !is_public(ip));
        let is_local = host == "localhost" || host.ends_with(".localhost");
        (is_private || is_local)
            .then_some("not a public address; ISSUETRACKER_NOTIFY_INTERNAL_HOSTS names internal hosts that are meant")
    }
}

/// A host without the brackets of IPv6.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Resolves a name once, and only to addresses that may be used: the connection goes to one of these.
impl Resolve for Allowed {
    fn resolve(&self, name: Name) -> Resolving {
        let is_allowed = self.has(name.as_str());
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let usable: Vec<SocketAddr> = found.filter(|address| is_allowed || is_public(address.ip())).collect();
            if usable.is_empty() {
                return Err("the host has no public address".into());
            }
            Ok(Box::new(usable.into_iter()) as Addrs)
        })
    }
}

/// Whether everybody can reach it. What is not known to be public is not.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let is_special = match (a, b, c) {
        // This network; shared by carriers; protocol assignments; 6to4 relays; benchmarks; reserved.
        (0, ..) | (100, 64..=127, _) | (192, 0, 0) | (192, 88, 99) | (198, 18..=19, _) | (240.., ..) => true,
        _ => false,
    };
    !(is_special
        || ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || ip.is_multicast())
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(ip) = ip.to_ipv4_mapped() {
        return is_public_v4(ip);
    }
    // Only what is given out as global unicast, without documentation, and without what has IPv4 addresses inside.
    let [first, second, ..] = ip.segments();
    let is_global = first & 0xe000 == 0x2000;
    let is_special = first == 0x2001 && (second < 0x0200 || second == 0x0db8) || first == 0x2002 || first == 0x3fff;
    is_global && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(hosts: &[&str]) -> Allowed {
        Allowed(hosts.iter().map(|host| (*host).to_owned()).collect())
    }

    #[test]
    fn only_public_addresses_are_public() {
        for ip in ["8.8.8.8", "1.1.1.1", "172.15.0.1", "100.63.0.1", "2606:4700::1111", "2a00:1450:4001::200e"] {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
        for ip in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "::127.0.0.1",
        ] {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn what_a_rule_may_name() {
        let none = allowed(&[]);
        for url in ["https://hooks.slack.com/services/x", "https://8.8.8.8/", "https://[2606:4700::1111]:8443/x"] {
            assert_eq!(none.complaint(url), None, "{url}");
        }
        for url in [
            "",
            "x",
            "hooks.slack.com",
            "http://hooks.slack.com/x",
            "ftp://example.com",
            "file:///etc/passwd",
            "https://user:pw@example.com/",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://localhost/",
            "https://a.localhost/",
            "https://169.254.169.254/latest",
            "gopher://x",
        ] {
            assert!(none.complaint(url).is_some(), "{url}");
        }
        let some = allowed(&["127.0.0.1", "chat.internal"]);
        assert_eq!(some.complaint("http://127.0.0.1:8065/hooks/x"), None);
        assert_eq!(some.complaint("http://Chat.internal/x"), None);
        assert!(some.complaint("http://chat.internal.example.com/x").is_some());
        assert!(some.complaint("https://127.0.0.2/").is_some());
    }

    #[tokio::test]
    async fn a_name_of_something_internal_has_no_address_unless_it_is_allowed() {
        let name = || "localhost".parse::<Name>().unwrap();
        assert!(allowed(&[]).resolve(name()).await.is_err());
        assert!(
            allowed(&["localhost"]).resolve(name()).await.is_ok_and(|mut found| found.all(|a| a.ip().is_loopback()))
        );
    }
}
