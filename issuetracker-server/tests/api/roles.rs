//! Every route and every role: the list of routes is read from where they are declared, so a new one fails here until it
//! has a row.

use std::{collections::BTreeSet, io::Read as _};

use issuetracker_server::store::{Expect, Field, Fields, Kind, RecordStore as _, RecordWrite, embedded::EmbeddedStore};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::*;

/// Where all routes are declared.
const DECLARED: &str = include_str!("../../src/web/mod.rs");

const ROLES: [&str; 5] = ["anonymous", "VIEWER", "DEVELOPER", "ADMIN", "SERVICE"];

/// Who gets through, in the order of [`ROLES`].
type Who = [bool; 5];

const EVERYBODY: Who = [true; 5];
const READERS: Who = [false, true, true, true, false];
const WORKERS: Who = [false, false, true, true, false];
const REPORTERS: Who = [false, false, true, true, true];
const PROGRAMS: Who = [false, false, false, true, true];
const ADMINS: Who = [false, false, false, true, false];

#[rustfmt::skip]
const TABLE: &[(&str, &str, Who)] = &[
    ("GET", "/api/v1/issues", READERS), ("POST", "/api/v1/issues", REPORTERS),
    ("GET", "/api/v1/issues/recent", READERS), ("POST", "/api/v1/issues/bulk", WORKERS), ("GET", "/api/v1/issues/complete", READERS),
    ("GET", "/api/v1/issues/{id}", READERS), ("PATCH", "/api/v1/issues/{id}", WORKERS),
    ("POST", "/api/v1/issues/{id}/merge", WORKERS), ("POST", "/api/v1/issues/{id}/split", WORKERS),
    ("GET", "/api/v1/issues/{id}/activities", READERS), ("GET", "/api/v1/issues/{id}/occurrences", READERS),
    ("GET", "/api/v1/issues/{id}/occurrences/{event}", READERS),
    ("GET", "/api/v1/issues/{id}/comments", READERS), ("POST", "/api/v1/issues/{id}/comments", WORKERS),
    ("PATCH", "/api/v1/issues/{id}/comments/{comment}", WORKERS), ("DELETE", "/api/v1/issues/{id}/comments/{comment}", WORKERS),
    ("POST", "/api/v1/events", PROGRAMS),
    ("GET", "/api/v1/dead-letters", ADMINS), ("POST", "/api/v1/dead-letters/replay", ADMINS),
    ("GET", "/api/v1/dead-letters/{id}", ADMINS), ("POST", "/api/v1/dead-letters/{id}/replay", ADMINS),
    ("GET", "/api/v1/me", READERS), ("GET", "/api/v1/users", ADMINS), ("PATCH", "/api/v1/users/{uid}", ADMINS),
    ("GET", "/api/v1/users/{uid}/sessions", ADMINS), ("DELETE", "/api/v1/users/{uid}/sessions", ADMINS),
    ("GET", "/api/v1/sessions", READERS), ("DELETE", "/api/v1/sessions/{id}", READERS),
    ("GET", "/api/v1/keys", ADMINS), ("POST", "/api/v1/keys", ADMINS), ("DELETE", "/api/v1/keys/{id}", ADMINS),
    ("GET", "/api/v1/rules", ADMINS), ("POST", "/api/v1/rules", ADMINS), ("PATCH", "/api/v1/rules/{id}", ADMINS),
    ("DELETE", "/api/v1/rules/{id}", ADMINS), ("POST", "/api/v1/rules/{id}/test", ADMINS),
    ("GET", "/api/v1/audit", ADMINS), ("GET", "/api/v1/stats", READERS), ("GET", "/api/v1/stream", READERS),
    ("GET", "/", READERS), ("GET", "/issues", READERS), ("POST", "/issues", REPORTERS), ("GET", "/issues/new", REPORTERS),
    ("POST", "/issues/bulk", WORKERS), ("POST", "/issues/test-error", REPORTERS),
    ("GET", "/issues/{id}", READERS), ("POST", "/issues/{id}", WORKERS), ("GET", "/issues/{id}/occurrences/{event}", READERS),
    ("POST", "/issues/{id}/merge", WORKERS), ("POST", "/issues/{id}/split", WORKERS), ("POST", "/issues/{id}/comments", WORKERS),
    ("POST", "/issues/{id}/comments/{comment}", WORKERS),
    ("GET", "/dead-letters", ADMINS), ("POST", "/dead-letters/replay", ADMINS), ("GET", "/dead-letters/{id}", ADMINS),
    ("POST", "/dead-letters/{id}/replay", ADMINS),
    ("GET", "/users", ADMINS), ("POST", "/users/{uid}", ADMINS), ("POST", "/users/{uid}/end-sessions", ADMINS),
    ("GET", "/analytics", READERS), ("GET", "/services/{service}", READERS),
    ("GET", "/sessions", READERS), ("POST", "/sessions/end-others", READERS), ("POST", "/sessions/{id}/end", READERS),
    ("GET", "/keys", ADMINS), ("POST", "/keys", ADMINS), ("POST", "/keys/{id}/revoke", ADMINS), ("GET", "/audit", ADMINS),
    ("GET", "/notifications", ADMINS), ("POST", "/notifications", ADMINS), ("GET", "/notifications/{id}", ADMINS),
    ("POST", "/notifications/{id}", ADMINS), ("POST", "/notifications/{id}/test", ADMINS), ("POST", "/notifications/{id}/delete", ADMINS),
    ("GET", "/openapi.json", READERS), ("GET", "/docs", READERS),
    ("GET", "/login", EVERYBODY), ("GET", "/oauth/callback", EVERYBODY), ("POST", "/logout", READERS),
    ("GET", "/logged-out", EVERYBODY), ("POST", "/gaps/dismiss", ADMINS),
    ("GET", "/assets/{name}", EVERYBODY), ("GET", "/favicon.ico", EVERYBODY),
    ("GET", "/healthz", EVERYBODY), ("GET", "/readyz", EVERYBODY), ("GET", "/metrics", EVERYBODY),
];

/// Every row: method, path, and the roles that get through, sorted.
pub(super) fn rows() -> impl Iterator<Item = (String, String, Vec<String>)> {
    TABLE.iter().map(|(method, path, who)| {
        let roles = ROLES.iter().zip(who).filter(|(role, may)| **may && **role != "anonymous");
        let mut roles: Vec<String> = roles.map(|(role, _)| (*role).to_owned()).collect();
        roles.sort();
        ((*method).to_owned(), (*path).to_owned(), roles)
    })
}

/// Every route that is declared: method and path.
fn declared() -> BTreeSet<(String, String)> {
    let (api, rest) = DECLARED.split_once("let pages = ").expect("the routes of pages follow those of the API");
    let mut routes = BTreeSet::new();
    for (prefix, text) in [("/api/v1", api), ("", rest)] {
        for call in text.split(".route(").skip(1) {
            let (path, handlers) = call.trim_start().strip_prefix('"').unwrap().split_once('"').unwrap();
            let methods = ["get", "post", "patch", "delete", "put"];
            let found: Vec<&str> = methods
                .into_iter()
                .filter(|method| {
                    [format!(" {method}("), format!(").{method}(")].iter().any(|call| handlers.contains(call))
                })
                .collect();
            assert!(!found.is_empty(), "no method of {path} was understood: {handlers}");
            routes.extend(found.iter().map(|method| (method.to_uppercase(), format!("{prefix}{path}"))));
        }
    }
    assert_eq!(DECLARED.matches(".nest(").count(), 1, "a nest that this test does not know");
    routes
}

#[test]
fn every_route_has_a_row_and_every_row_a_route() {
    let rows: BTreeSet<_> = TABLE.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(rows.len(), TABLE.len(), "a row twice");
    let declared = declared();
    assert_eq!(declared.difference(&rows).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "routes without a row");
    assert_eq!(rows.difference(&declared).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "rows without a route");
    assert!(declared.len() > 60);
}

/// A server with login, and a store in which everybody is logged in.
struct Everybody {
    server: Server,
    store: EmbeddedStore,
    key: String,
    _place: Place,
}

fn text(text: &str) -> Field {
    Field::Text(text.to_owned())
}

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Everybody {
    fn new() -> Self {
        let place = Place::new();
        let [issuer, credentials] = place.login();
        let variables = [issuer, credentials, ("ISSUETRACKER_HTTP_REQUESTS_PER_MINUTE", "0")];
        let key = place.key(&variables, "newsfeed");
        let server = place.start(&variables);
        let store = EmbeddedStore::open(&place.path().join("issues.sqlite")).unwrap();
        Self { server, store, key, _place: place }
    }

    /// A new session of a user of this role: what it is asked may end it.
    fn headers(&self, role: &str, nth: usize) -> Vec<(String, String)> {
        match role {
            "anonymous" => return Vec::new(),
            "SERVICE" => return vec![("authorization".to_owned(), format!("Bearer {}", self.key))],
            _ => (),
        }
        let (token, uid, now) = (format!("{nth:043}"), digest(role)[..32].to_owned(), Timestamp::now());
        let user = Fields::from([
            ("email".to_owned(), text(&format!("{role}@quantory.app"))),
            ("display_name".to_owned(), text(role)),
            ("role".to_owned(), text(role)),
        ]);
        let session = Fields::from([
            ("user_id".to_owned(), text(&uid)),
            ("created_at".to_owned(), Field::Time(now)),
            ("seen_at".to_owned(), Field::Time(now)),
        ]);
        let writes = vec![
            RecordWrite::put(Kind::User, &uid, user, Expect::Anything),
            RecordWrite::put(Kind::Session, &digest(&token), session, Expect::Anything),
        ];
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.store.write_records(writes)).unwrap();
        vec![
            ("cookie".to_owned(), format!("issuetracker={token}")),
            ("x-csrf-token".to_owned(), digest(&format!("csrf:{token}"))),
        ]
    }

    /// The status, and where a redirect leads; the rest of an answer may never end.
    fn ask(&self, method: &str, path: &str, headers: &[(String, String)]) -> (u16, String) {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let body = if method == "GET" { "" } else { "{}" };
        let mut stream = self.server.open(method, path, &headers, body).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let location = head.lines().find_map(|line| line.strip_prefix("location: ")).unwrap_or_default().to_owned();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), location)
    }
}

#[test]
fn every_role_gets_what_it_may_and_nothing_else() {
    let everybody = Everybody::new();
    let mut wrong = Vec::new();
    for (row, (method, path, who)) in TABLE.iter().enumerate() {
        let asked = path.replace("{uid}", "ff").replace("{id}", "nothing-1").replace("{event}", "e");
        let asked = asked.replace("{comment}", "c").replace("{name}", "favicon.svg");
        for (nth, (role, may)) in ROLES.iter().zip(who).enumerate() {
            let headers = everybody.headers(role, row * 10 + nth);
            let (status, location) = everybody.ask(method, &asked, &headers);
            let is_led_to_login = (300..400).contains(&status) && location.starts_with("/login");
            let is_refused = matches!(status, 401 | 403) || is_led_to_login;
            let is_right = match (*may, *role) {
                (true, _) => !is_refused || *path == "/login",
                (false, "anonymous") => status == 401 || is_led_to_login,
                (false, _) => status == 403,
            };
            if !is_right || status >= 500 && *path != "/login" {
                wrong.push(format!("{role}: {method} {path}: {status} {location}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
