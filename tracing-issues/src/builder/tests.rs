//! What configurations are refused, and in which words.

use std::collections::BTreeMap;

use super::*;

/// A builder that finds these variables, named without their prefix, and no others.
fn from(variables: &[(&str, &str)]) -> Builder {
    let variables: BTreeMap<String, &str> =
        variables.iter().map(|(name, value)| (format!("TRACING_ISSUES_{name}"), *value)).collect();
    Builder::from_variables(|name| variables.get(name).map(Into::into))
}

/// What is wrong with it; empty if nothing is.
fn problems_of(mut builder: Builder) -> String {
    match builder.check() {
        Ok(_) => String::new(),
        Err(error) => {
            assert_eq!(error.to_string(), format!("{error:?}"), "`main` prints errors by `Debug`");
            error.to_string()
        }
    }
}

#[track_caller]
fn check_fine(variables: &[(&str, &str)]) {
    assert_eq!(problems_of(from(variables)), "", "{variables:?}");
}

/// Checks that there is one problem: the variable's, in these words.
#[track_caller]
fn check_refused(variables: &[(&str, &str)], name: &str, reason: &str) {
    let text = problems_of(from(variables));
    assert!(text.starts_with(&format!("TRACING_ISSUES_{name}")), "{variables:?}: {text}");
    assert!(text.contains(reason) && text.lines().count() == 1, "{variables:?}: {text}");
}

#[test]
fn each_setting_can_be_set_by_a_variable() {
    let builder = from(&[
        ("SERVICE", "newsfeed"),
        ("ENVIRONMENT", "staging"),
        ("RELEASE", "1.2"),
        ("PROJECT", "alpha"),
        ("TOPIC", "errors"),
        ("LEVEL", "Warn"),
        ("BREADCRUMBS", "20"),
        ("PANICS", "false"),
        ("SPOOL", "/var/spool/newsfeed"),
        ("QUEUE_CAPACITY", " 16 "),
        ("FLUSH_TIMEOUT_MS", "1500"),
    ]);
    let Origin { service, environment, release, project, .. } = &builder.origin;
    assert_eq!(
        [service, environment, release, project, &builder.topic],
        ["newsfeed", "staging", "1.2", "alpha", "errors"]
    );
    assert_eq!((builder.settings.level, builder.settings.breadcrumbs), (Level::WARN, 20));
    assert!(!builder.reports_panics);
    assert_eq!(builder.spool, Some("/var/spool/newsfeed".into()));
    assert_eq!((builder.queue_capacity, builder.flush_timeout), (16, Duration::from_millis(1_500)));
    assert_eq!(problems_of(builder), "");
}

#[test]
fn nothing_set_and_set_but_empty_are_the_defaults() {
    for builder in [from(&[]), from(&[("LEVEL", ""), ("PANICS", ""), ("SPOOL", ""), ("URL", ""), ("TOPIC", "")])] {
        assert_eq!((builder.settings.level, builder.settings.breadcrumbs), (Level::ERROR, 0));
        assert!(builder.reports_panics && builder.spool.is_none() && builder.topic == DEFAULT_TOPIC);
        assert_eq!(problems_of(builder), "");
    }
}

#[test]
fn a_value_that_cannot_be_used_names_its_variable_and_what_is_expected() {
    check_refused(&[("LEVEL", "errors")], "LEVEL", "expected error, warn, info, debug or trace; it is `errors`");
    check_refused(&[("LEVEL", "1")], "LEVEL", "expected error, warn");
    check_refused(&[("BREADCRUMBS", "-1")], "BREADCRUMBS", "expected a number");
    check_refused(&[("PANICS", "yes")], "PANICS", "expected true or false");
    check_refused(&[("QUEUE_CAPACITY", "many")], "QUEUE_CAPACITY", "expected a number of reports");
    check_refused(&[("QUEUE_CAPACITY", "99999999999")], "QUEUE_CAPACITY", "at most 1048576");
    check_refused(&[("FLUSH_TIMEOUT_MS", "5s")], "FLUSH_TIMEOUT_MS", "milliseconds");
    check_refused(&[("SERVICE", " ")], "SERVICE", "needs a name");
}

#[test]
fn all_problems_are_told_together() {
    let text = problems_of(from(&[("LEVEL", "loud"), ("PANICS", "maybe"), ("BREADCRUMBS", "few"), ("SERVICE", " ")]));
    for name in ["LEVEL", "PANICS", "BREADCRUMBS", "SERVICE"] {
        assert!(text.contains(&format!("\n  TRACING_ISSUES_{name}: ")), "{name} is missing in:\n{text}");
    }
    assert_eq!(text.lines().count(), 5, "{text}");
}

#[test]
fn every_variable_is_documented() {
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/library.md")).unwrap();
    let asked = std::cell::RefCell::new(Vec::new());
    let _ = Builder::from_variables(|name| {
        asked.borrow_mut().push(name.to_owned());
        None
    });
    assert!(asked.borrow().len() > 15);
    for name in asked.take() {
        assert!(docs.contains(&format!("`{name}`")), "docs/library.md does not name {name}");
    }
}

#[cfg(feature = "http")]
#[test]
fn an_address_or_a_key_that_cannot_be_sent_is_refused_without_showing_it() {
    check_fine(&[("URL", "http://u:hunter2@issues.local:8080/"), ("API_KEY", "hunter2")]);
    for url in ["issues.local:8080", "ftp://hunter2@issues.local", "http://", "http://u:hunter2@no host", "http://:80"]
    {
        check_refused(&[("URL", url)], "URL", "expected an address such as http://127.0.0.1:8080");
    }
    check_refused(&[("API_KEY", "hunter2\nx: y")], "API_KEY", "expected letters, digits and signs");
    let both = problems_of(from(&[("URL", "http://u:hunter2@no host"), ("API_KEY", "hunter2\n")]));
    assert!(both.contains("URL: ") && both.contains("API_KEY: ") && !both.contains("hunter2"), "{both}");
}

#[cfg(feature = "redis")]
#[test]
fn a_redis_address_is_refused_without_showing_it() {
    for url in ["redis.local", "http://u:hunter2@redis.local", "redis://u:hunter2@redis:port"] {
        check_refused(&[("REDIS_URL", url)], "REDIS_URL", "");
        assert!(!problems_of(from(&[("REDIS_URL", url)])).contains("hunter2"));
    }
}

#[cfg(feature = "kafka")]
mod with_kafka {
    use super::*;

    const BROKERS: (&str, &str) = ("KAFKA_BROKERS", "127.0.0.1:1");
    const USER: (&str, &str) = ("KAFKA_SASL_USERNAME", "newsfeed");
    const PASSWORD: (&str, &str) = ("KAFKA_SASL_PASSWORD", "hunter2");
    const PLAIN: (&str, &str) = ("KAFKA_SASL_MECHANISM", "PLAIN");
    const SASL: (&str, &str) = ("KAFKA_SECURITY_PROTOCOL", "sasl_plaintext");

    #[test]
    fn combinations_that_belong_together_are_fine() {
        check_fine(&[BROKERS]);
        check_fine(&[BROKERS, ("KAFKA_SECURITY_PROTOCOL", "plaintext")]);
        check_fine(&[BROKERS, SASL, PLAIN, USER, PASSWORD]);
        check_fine(&[BROKERS, ("KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT"), PLAIN, USER, PASSWORD]);
    }

    #[test]
    fn what_does_not_belong_together_names_the_variable() {
        let plaintext =
            "needs TRACING_ISSUES_KAFKA_SECURITY_PROTOCOL to be sasl_ssl or sasl_plaintext; it is plaintext";
        check_refused(&[BROKERS, PLAIN], "KAFKA_SASL_MECHANISM", plaintext);
        check_refused(&[BROKERS, USER], "KAFKA_SASL_USERNAME", plaintext);
        check_refused(&[BROKERS, PASSWORD], "KAFKA_SASL_PASSWORD", plaintext);
        check_refused(&[BROKERS, SASL, USER, PASSWORD], "KAFKA_SASL_MECHANISM", "is missing");
        check_refused(&[BROKERS, SASL, PLAIN, PASSWORD], "KAFKA_SASL_USERNAME", "is missing");
        check_refused(&[BROKERS, SASL, PLAIN, USER], "KAFKA_SASL_PASSWORD", "is missing");
        check_refused(
            &[BROKERS, ("KAFKA_SECURITY_PROTOCOL", "tls")],
            "KAFKA_SECURITY_PROTOCOL",
            "expected plaintext, ssl",
        );
        let mechanism = ("KAFKA_SASL_MECHANISM", "GSSAPI");
        check_refused(&[BROKERS, SASL, mechanism, USER, PASSWORD], "KAFKA_SASL_MECHANISM", "expected PLAIN, SCRAM");
        check_refused(&[BROKERS, ("KAFKA_SSL_CA_FILE", "/ca.pem")], "KAFKA_SSL_CA_FILE", "to be ssl or sasl_ssl");
        let key = ("KAFKA_SSL_KEY_FILE", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        let certificate = ("KAFKA_SSL_CERTIFICATE_FILE", key.1);
        let text = problems_of(from(&[BROKERS, key]));
        assert!(text.contains("KAFKA_SSL_KEY_FILE: needs") && text.contains("CERTIFICATE_FILE: is missing"), "{text}");
        let text = problems_of(from(&[BROKERS, certificate]));
        assert!(text.contains("CERTIFICATE_FILE: needs") && text.contains("KEY_FILE: is missing"), "{text}");
        check_refused(&[SASL, PLAIN], "KAFKA_BROKERS", "is missing; TRACING_ISSUES_KAFKA_SECURITY_PROTOCOL is set");
    }

    #[cfg(feature = "kafka-tls")]
    #[test]
    fn the_client_takes_tls_and_scram() {
        const TLS: (&str, &str) = ("KAFKA_SECURITY_PROTOCOL", "ssl");
        const SASL_TLS: (&str, &str) = ("KAFKA_SECURITY_PROTOCOL", "sasl_ssl");
        check_fine(&[BROKERS, TLS]);
        for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
            check_fine(&[BROKERS, SASL_TLS, ("KAFKA_SASL_MECHANISM", mechanism), USER, PASSWORD]);
        }
        check_refused(
            &[BROKERS, TLS, ("KAFKA_SSL_CA_FILE", "/no/ca.pem")],
            "KAFKA_SSL_CA_FILE",
            "/no/ca.pem cannot be read",
        );
        // Readable, and no certificate: only the client can tell.
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        check_refused(&[BROKERS, TLS, ("KAFKA_SSL_CA_FILE", file)], "KAFKA_SSL_CA_FILE", "ssl.ca.location");
    }

    #[cfg(not(feature = "kafka-tls"))]
    #[test]
    fn tls_and_scram_name_the_feature_that_they_need() {
        let ssl = ("KAFKA_SECURITY_PROTOCOL", "ssl");
        check_refused(&[BROKERS, ssl], "KAFKA_SECURITY_PROTOCOL", "needs the cargo feature `kafka-tls`");
        let scram = ("KAFKA_SASL_MECHANISM", "SCRAM-SHA-256");
        check_refused(&[BROKERS, SASL, scram, USER, PASSWORD], "KAFKA_SASL_MECHANISM", "feature `kafka-tls`");
    }

    #[test]
    fn any_setting_of_the_client_can_be_set() {
        let builder = || builder("newsfeed").kafka_brokers("127.0.0.1:1");
        assert_eq!(problems_of(builder().kafka_setting("message.timeout.ms", "1000")), "");
        let unknown = problems_of(builder().kafka_setting("no.such.setting", "1"));
        assert!(unknown.starts_with("kafka_setting: no.such.setting: No such"), "{unknown}");
        // The later one wins, and it wins over our own methods.
        let protocol = builder().kafka_security_protocol("plaintext").kafka_setting("security.protocol", "nonsense");
        assert!(problems_of(protocol).contains("KAFKA_SECURITY_PROTOCOL: expected"));
        let by_hand = builder().kafka_security_protocol("sasl_plaintext").kafka_setting("sasl.mechanism", "PLAIN");
        let by_hand = by_hand.kafka_setting("sasl.username", "u").kafka_setting("sasl.password", "hunter2");
        assert_eq!(problems_of(by_hand), "");
    }

    #[test]
    fn secrets_are_shown_nowhere() {
        let secret = || builder("newsfeed").kafka_brokers("127.0.0.1:1").kafka_sasl_password("hunter2");
        for builder in [
            secret(),
            secret().kafka_security_protocol("sasl_plaintext").kafka_sasl_mechanism("OTHER").kafka_sasl_username("u"),
            secret().kafka_setting("sasl.oauthbearer.client.secret", "hunter2").kafka_setting("acks", "hunter2"),
            secret().kafka_setting("ssl.key.password", "hunter2").kafka_setting("no.such", "1"),
        ] {
            assert!(!format!("{builder:?}").contains("hunter2"), "{builder:?}");
            let text = problems_of(builder);
            assert!(!text.is_empty() && !text.contains("hunter2"), "{text}");
        }
    }
}
