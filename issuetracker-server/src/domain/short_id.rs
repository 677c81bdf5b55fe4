//! Short ids of issues, as people say them: `NEWS-42`. A store gives each new issue the next number of its service and makes
//! that another id of the issue (an alias), so it is good wherever an id is, and stays good when issues are merged.
//! Numbers are given once; some may be left out.

use super::{Effect, IssueId, Occurrence};

/// The most characters of a service's name in a short id.
const MAX_PREFIX: usize = 4;

/// What stands for issues of no service, and of services without a plain letter in their names.
const NO_SERVICE: &str = "ISSUE";

/// The most digits of a number: with more, it is no short id.
const MAX_DIGITS: usize = 12;

/// What short ids of a service's issues start with: `newsfeed` has `NEWS`. Services may share it, and then share numbers.
pub fn prefix(service: &str) -> String {
    let letters = service.chars().filter(char::is_ascii_alphanumeric).take(MAX_PREFIX);
    let prefix: String = letters.map(|c| c.to_ascii_uppercase()).collect();
    if prefix.is_empty() { NO_SERVICE.to_owned() } else { prefix }
}

/// The prefix of the issue that these occurrences make, in the order in which they came; `None` if they make none.
pub fn prefix_of_new(occurrences: &[&Occurrence]) -> Option<String> {
    let first = occurrences.iter().find(|occurrence| occurrence.effect != Effect::Commented)?;
    Some(prefix(&first.service))
}

/// The id with this prefix and number.
pub fn short_id(prefix: &str, number: u64) -> Option<IssueId> {
    format!("{prefix}-{number}").parse().ok()
}

/// The prefix and the number of a short id; `None` for other ids.
pub fn parts(id: &IssueId) -> Option<(&str, u64)> {
    let (prefix, number) = id.as_str().split_once('-')?;
    let is_prefix = (1..=NO_SERVICE.len()).contains(&prefix.len())
        && prefix.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let is_number = (1..=MAX_DIGITS).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    if is_prefix && is_number { Some((prefix, number.parse().ok()?)) } else { None }
}

/// An id as somebody types it: a short one may be in small letters.
pub fn read_id(text: &str) -> Option<IssueId> {
    let text = text.trim();
    let upper: Option<IssueId> = text.to_ascii_uppercase().parse().ok();
    upper.filter(|id| parts(id).is_some()).or_else(|| text.parse().ok())
}

/// The id in what somebody pastes: an id, or the address of an issue's page.
pub fn read_link(text: &str) -> Option<IssueId> {
    let text = text.trim();
    let path = text.split(['?', '#']).next()?;
    let Some((_, id)) = path.rsplit_once("/issues/") else { return read_id(text) };
    read_id(id.split('/').next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_prefix(service: &str, expected: &str) {
        assert_eq!(prefix(service), expected);
        let id = short_id(expected, 42).unwrap();
        assert_eq!(parts(&id), Some((expected, 42)), "it can be told from other ids");
    }

    #[test]
    fn a_prefix_is_the_beginning_of_the_services_name() {
        check_prefix("newsfeed", "NEWS");
        check_prefix("db", "DB");
        check_prefix("order-gateway", "ORDE");
        check_prefix("3d-maps", "3DMA");
        check_prefix("", "ISSUE");
        check_prefix("сервис", "ISSUE");
    }

    #[track_caller]
    fn check_read(text: &str, expected: Option<&str>) {
        assert_eq!(read_id(text).as_ref().map(IssueId::as_str), expected, "{text}");
    }

    #[test]
    fn ids_are_read_as_people_type_them() {
        check_read("NEWS-42", Some("NEWS-42"));
        check_read(" news-42 ", Some("NEWS-42"));
        check_read("7k2m9qwxyz7k2m9q", Some("7k2m9qwxyz7k2m9q"));
        check_read("0193a5b6-7c8d-7000-8000-000000000001", Some("0193a5b6-7c8d-7000-8000-000000000001"));
        // Not short ids: they stay as they are.
        for other in ["news-", "n-ews", "newsfeed-42", "n-1234567890123"] {
            check_read(other, Some(other));
        }
        check_read("../42", None);
        let of_link = |text: &str| read_link(text).map(|id| id.to_string());
        for link in [
            "news-42",
            "http://127.0.0.1:8080/issues/NEWS-42?a=b#c",
            "/issues/NEWS-42/occurrences/7",
            "x/api/v1/issues/NEWS-42",
        ] {
            assert_eq!(of_link(link).as_deref(), Some("NEWS-42"), "{link}");
        }
        assert_eq!(of_link("http://127.0.0.1:8080/dead-letters"), None);
        check_read("", None);
    }
}
