//! No secret leaves the process, wherever an error brings it: neither in an event nor on stderr.

use std::{error::Error, fmt, time::Duration};

use serde_json::{Value, json};
use tracing::{error, error_span, field::Empty, info, info_span};
use tracing_issues::{
    publish::{Envelope, Outcome, Publisher, Settlement},
    redact::Redactor,
};
use tracing_subscriber::prelude::*;

use crate::support::{captured, captured_with, in_own_process, install_with, one, one_with, own_process};

/// What is planted, always as it is: each of them looks like a secret by itself or by its name.
const PASSWORD: &str = "hunter2-plain";
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const TOKEN: &str =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";
const CARD: &str = "4111 1111 1111 1111";
const GITHUB: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

#[track_caller]
fn check_clean(text: &str) {
    for secret in [PASSWORD, KEY, TOKEN, CARD, GITHUB, "hunter2", "s3cr3t"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

/// Checks that nothing that was planted is anywhere in the event, and that something was removed.
#[track_caller]
fn check(log: impl FnOnce()) -> Value {
    let event = one_with(|builder| builder.breadcrumbs(5), log);
    let text = event.to_string();
    check_clean(&text);
    assert!(text.contains("[redacted]"), "{event:#}");
    event
}

#[derive(Debug)]
struct Login {
    password: &'static str,
    cause: Option<Box<Login>>,
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "login failed with password={}", self.password)
    }
}

impl Error for Login {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

fn login() -> Login {
    Login { password: "s3cr3t", cause: Some(Box::new(Login { password: PASSWORD, cause: None })) }
}

#[test]
fn in_the_message() {
    let event = check(|| error!("login failed with password={PASSWORD}"));
    assert_eq!(event["title"], "login failed with password=[redacted]");
    check(|| error!("cannot sign with {KEY}"));
    check(|| error!("401 for Authorization: Bearer {TOKEN}"));
    check(|| error!("{TOKEN}"));
    check(|| error!("card {CARD} refused"));
    check(|| error!("push with {GITHUB} refused"));
    check(|| error!("cannot reach postgres://feed:{PASSWORD}@db:5432/feed"));
    check(|| error!("first line\npassword: {PASSWORD}\nthird"));
    check(|| error!("bad answer: {}", json!({"user": "u", "api_key": PASSWORD})));
}

#[test]
fn in_a_field_by_its_name() {
    let event = check(|| {
        error!(
            password = PASSWORD,
            api_key = %PASSWORD,
            auth.token = ?PASSWORD,
            client_secret = 1234567890123u64,
            dbPassword = "s3cr3t",
            "m"
        );
    });
    assert!(!event.to_string().contains("1234567890123"), "{event:#}");
    assert_eq!(event["context"]["password"], "[redacted]");
}

#[test]
fn in_a_fields_text() {
    let event = check(|| {
        error!(
            url = %format!("https://u:{PASSWORD}@x.com/?token={PASSWORD}"),
            request = ?login(),
            header = format!("Authorization: Bearer {TOKEN}"),
            body = %json!({"nested": {"password": PASSWORD}}),
            key = KEY,
            card = 4111111111111111u64,
            "m"
        );
    });
    assert!(!event.to_string().contains("4111111111111111"), "{event:#}");
}

#[test]
fn in_an_error_and_its_causes() {
    let failure = login();
    check(|| error!(error = &failure as &dyn Error, "m"));
    check(|| error!(error = &failure as &dyn Error));
    check(|| error!(error = %failure));
    check(|| error!(error = ?failure));
    check(|| error!("{failure:?}"));
    check(|| error!(other = 1, error = "x", second = &failure as &dyn Error, "m"));
    let wrapped = || anyhow::Error::new(login()).context(format!("signing with {KEY}"));
    check(|| error!("{:?}", wrapped()));
    check(|| error!("{:#}", wrapped()));
    check(|| error!(error = ?wrapped()));
    check(|| error!(error = wrapped().as_ref() as &dyn Error));
}

/// An error whose type cannot be told from its `Debug`, which is a secret.
struct Bare;

impl fmt::Debug for Bare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(KEY)
    }
}

impl fmt::Display for Bare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused [redacted]")
    }
}

impl Error for Bare {}

#[test]
fn in_what_looks_like_an_errors_type() {
    check(|| error!(error = &Bare as &dyn Error, "m"));
    check(|| error!(error = ?Bare, "m"));
}

#[test]
fn in_spans() {
    check(|| {
        let span = info_span!("login", password = PASSWORD, url = %format!("http://u:{PASSWORD}@x"), token = Empty);
        span.record("token", GITHUB);
        let _entered = span.entered();
        let _inner = error_span!("inner", request = ?login(), error = &login() as &dyn Error).entered();
        error!("m");
    });
    check(|| info_span!("s", component = %format!("password={PASSWORD}")).in_scope(|| error!("m")));
}

#[test]
fn in_breadcrumbs() {
    let event = check(|| {
        let _root = info_span!("root").entered();
        info!("trying password={PASSWORD}");
        info!(password = PASSWORD, "trying");
        info!(request = ?login(), key = KEY, "trying");
        info!(error = &login() as &dyn Error, "trying");
        info!("{} {KEY}", "x".repeat(500));
        error!("m");
    });
    // Nor half of one, where the text is cut.
    assert!(!event.to_string().contains("AKIA"), "{event:#}");
    assert_eq!(event["breadcrumbs"].as_array().unwrap().len(), 5);
}

#[test]
fn in_tags_components_fingerprints_and_threads() {
    check(|| error!(tags.key = KEY, tags.password = PASSWORD, "m"));
    check(|| error!(component = %format!("token={PASSWORD}"), fingerprint = KEY, "m"));
    check(|| error!(severity = %format!("password={PASSWORD}"), "m"));
    check(|| {
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        let work = move || tracing::dispatcher::with_default(&dispatch, || error!("m"));
        std::thread::Builder::new().name(format!("key-{KEY}")).spawn(work).unwrap().join().unwrap();
    });
}

#[test]
fn in_a_panic() {
    in_own_process(|| {
        let (guard, published) = install_with(|builder| builder.breadcrumbs(5));
        let panicking = std::thread::spawn(|| {
            let _span = info_span!("login", password = PASSWORD).entered();
            panic!("login failed with password={PASSWORD} and {KEY}");
        });
        assert!(panicking.join().is_err());
        let fail = || Err::<(), _>(login());
        assert!(std::thread::spawn(move || fail().unwrap()).join().is_err());
        guard.shutdown();
        let events = published.events();
        assert_eq!(events.len(), 2, "{events:#?}");
        check_clean(&Value::from(events).to_string());
    });
}

/// Answers that nothing can be sent.
struct Away(Vec<Settlement>);

impl Publisher for Away {
    fn destination(&self) -> String {
        "a server that is away".to_owned()
    }

    fn submit(&mut self, envelope: Envelope) -> Result<(), Envelope> {
        let outcome = Outcome::Unavailable("it is away".to_owned());
        self.0.push(Settlement { envelope, outcome });
        Ok(())
    }

    fn settle(&mut self, _budget: Duration) -> Vec<Settlement> {
        std::mem::take(&mut self.0)
    }
}

#[test]
fn in_what_stderr_says_of_unsent_errors() {
    let output = own_process(|| {
        let timeout = Duration::from_millis(100);
        let builder = tracing_issues::builder("newsfeed").publisher(Away(Vec::new())).flush_timeout(timeout);
        let (issues, guard) = builder.build().unwrap();
        tracing_subscriber::registry().with(issues).init();
        error!(password = PASSWORD, error = &login() as &dyn Error, "first with password={PASSWORD}");
        assert!(!guard.flush(timeout));
        error!("second with {KEY}");
        error!(component = %format!("token={PASSWORD}"), "third");
        guard.shutdown();
    });
    let Some(output) = output else { return };
    let errors = String::from_utf8_lossy(&output.stderr);
    for name in ["first", "second", "third"] {
        assert!(errors.contains(&format!("not sent: {name}")), "{errors}");
    }
    check_clean(&errors);
}

#[test]
fn what_is_no_secret_stays() {
    let event = one(|| error!(user = "password", reason = "token expired", "wrong password for user bob"));
    assert_eq!(event["title"], "wrong password for user bob");
    assert_eq!(event["context"], json!({"user": "password", "reason": "token expired"}));
    let event = one_with(|builder| builder.redactor(Redactor::off()), || error!("password={PASSWORD}"));
    assert_eq!(event["title"], format!("password={PASSWORD}"));
}

#[test]
fn rules_of_the_service() {
    let rule = |text: &str| text.contains("ACCOUNT").then(|| text.replace("ACCOUNT", "[account]"));
    let redactor = Redactor::default().with_name("iban").with_rule(rule);
    let (events, _) = captured_with(
        |builder| builder.redactor(redactor),
        || {
            info_span!("s", iban = "DE1", who = "ACCOUNT").in_scope(|| error!(iban = "DE2", "ACCOUNT is empty"));
        },
    );
    assert_eq!(events[0]["title"], "[account] is empty");
    assert_eq!(events[0]["context"], json!({"iban": "[redacted]"}));
    assert_eq!(events[0]["spans"][0]["fields"], json!({"iban": "[redacted]", "who": "[account]"}));
}

#[test]
fn a_secret_that_varies_does_not_split_the_issue() {
    fn fail(secret: &str) {
        error!("login failed with password={secret} again");
        error!("401 for Authorization: Bearer {secret}, retrying");
        error!(
            error = &Login { password: "p", cause: None } as &dyn Error,
            "db at postgres://u:{secret}@db/feed is away"
        );
    }
    let events = captured(|| ["hunter2", "correct-horse", "Tr0ub4dor&3", "s3cr3t"].into_iter().for_each(fail));
    let mut issues: Vec<_> = events.iter().map(|event| event["fingerprint"].to_string()).collect();
    issues.sort_unstable();
    issues.dedup();
    assert_eq!(issues.len(), 3, "{:#?}", events.iter().map(|event| &event["title"]).collect::<Vec<_>>());
}
