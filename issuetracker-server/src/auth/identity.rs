//! Who a provider says somebody is, and whether that is one of us. Pure; what was said is checked before
//! ([`provider`](super::provider)).

use super::token;

/// What a provider says, its signature checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claims {
    pub(crate) subject: String,
    pub(crate) email: String,
    pub(crate) email_verified: Option<bool>,
    /// The organisation that the account belongs to.
    pub(crate) hosted_domain: Option<String>,
    pub(crate) name: String,
}

/// Somebody who may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) email: String,
    pub(crate) name: String,
}

/// Why somebody may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stranger {
    /// The provider names no mail address, or none that can be read.
    NoEmail,
    /// It does not vouch for the address.
    Unverified,
    /// The address is of another domain.
    Domain,
    /// The account belongs to another organisation, or to none.
    Organisation,
}

/// Which organisations' people may log in.
#[derive(Debug, Clone)]
pub(crate) struct Admission<'a> {
    /// The exact domains.
    pub(crate) domains: &'a [String],
    /// Whether the provider tells the organisation of whoever has one: then having none says something.
    pub(crate) tells_organisation: bool,
}

impl Admission<'_> {
    pub(crate) fn admit(&self, issuer: &str, claims: &Claims) -> Result<Identity, Stranger> {
        let email = claims.email.to_ascii_lowercase();
        let is_plain = email.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>(),:;\\[]".contains(&byte));
        let (local, domain) = email.split_once('@').ok_or(Stranger::NoEmail)?;
        if !is_plain || local.is_empty() || domain.contains('@') || email.len() > 254 {
            return Err(Stranger::NoEmail);
        }
        if claims.email_verified != Some(true) {
            return Err(Stranger::Unverified);
        }
        if !self.is_ours(domain) {
            return Err(Stranger::Domain);
        }
        match &claims.hosted_domain {
            Some(organisation) if self.is_ours(organisation) => (),
            None if !self.tells_organisation => (),
            _ => return Err(Stranger::Organisation),
        }
        let name: String = claims.name.chars().filter(|letter| !is_invisible(*letter)).take(100).collect();
        let name = Some(name.trim()).filter(|name| !name.is_empty()).unwrap_or(local).to_owned();
        Ok(Identity { issuer: issuer.to_owned(), subject: claims.subject.clone(), email, name })
    }

    fn is_ours(&self, domain: &str) -> bool {
        self.domains.iter().any(|ours| ours.eq_ignore_ascii_case(domain))
    }
}

/// What could make a name look like another one, or a line of the log like two.
fn is_invisible(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

impl Identity {
    /// The user's id: the same for the same account, whatever its mail address becomes.
    pub(crate) fn uid(&self) -> String {
        token::digest(&format!("{}\0{}", self.issuer, self.subject))[..24].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        Claims {
            subject: "7".to_owned(),
            email: "Ada@quantory.app".to_owned(),
            email_verified: Some(true),
            hosted_domain: Some("quantory.app".to_owned()),
            name: "Ada Lovelace".to_owned(),
        }
    }

    fn admit(claims: &Claims) -> Result<Identity, Stranger> {
        let domains = ["quantory.app".to_owned(), "example.com".to_owned()];
        Admission { domains: &domains, tells_organisation: true }.admit("https://issuer", claims)
    }

    #[test]
    fn one_of_us_is_admitted() {
        let ada = admit(&claims()).unwrap();
        assert_eq!((ada.email.as_str(), ada.name.as_str()), ("ada@quantory.app", "Ada Lovelace"));
        let moved = Identity { email: "a@example.com".to_owned(), ..ada.clone() };
        assert_eq!(ada.uid(), moved.uid());
        assert_ne!(ada.uid(), Identity { subject: "8".to_owned(), ..ada.clone() }.uid());
        assert_ne!(ada.uid(), Identity { issuer: "https://other".to_owned(), ..ada }.uid());
    }

    #[test]
    fn mail_addresses_of_others_are_not() {
        for email in [
            "ada@evil.example",
            "ada@quantory.app.evil.example",
            "ada@evilquantory.app",
            "ada@sub.quantory.app",
            "ada@quantory.app.",
            "ada@quantory\u{ff0e}app",
            "ada@quantory.ap",
        ] {
            let stranger = admit(&Claims { email: email.to_owned(), ..claims() }).unwrap_err();
            assert!(matches!(stranger, Stranger::Domain | Stranger::NoEmail), "{email}");
        }
        for email in [
            "",
            "ada",
            "@quantory.app",
            "ada@evil.example@quantory.app",
            "ada @quantory.app",
            "a\n@quantory.app",
            "\"x\"@quantory.app",
            "<ada@quantory.app>",
            "\u{430}da@quantory.app",
        ] {
            assert_eq!(admit(&Claims { email: email.to_owned(), ..claims() }), Err(Stranger::NoEmail), "{email}");
        }
    }

    #[test]
    fn neither_are_unverified_ones_and_other_organisations() {
        for email_verified in [None, Some(false)] {
            assert_eq!(admit(&Claims { email_verified, ..claims() }), Err(Stranger::Unverified));
        }
        for hosted_domain in [None, Some(""), Some("evil.example")] {
            let hosted_domain = hosted_domain.map(str::to_owned);
            assert_eq!(admit(&Claims { hosted_domain, ..claims() }), Err(Stranger::Organisation));
        }
        let without = Claims { hosted_domain: None, ..claims() };
        let domains = ["quantory.app".to_owned()];
        let admission = Admission { domains: &domains, tells_organisation: false };
        assert!(admission.admit("https://issuer", &without).is_ok(), "not every provider knows organisations");
    }

    #[test]
    fn names_are_one_line_and_never_empty() {
        let name = |name: &str| admit(&Claims { name: name.to_owned(), ..claims() }).unwrap().name;
        assert_eq!(name(" A\nb\u{202e}c "), "Abc");
        assert_eq!(name(" \u{200b}"), "ada");
        assert_eq!(name(&"x".repeat(1_000)).len(), 100);
    }
}
