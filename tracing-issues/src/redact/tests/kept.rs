//! What must stay readable: messages that speak about secrets, and ids that look a little like them.

use std::borrow::Cow;

use super::super::Redactor;

#[track_caller]
fn check_kept(text: &str) {
    assert!(
        matches!(Redactor::default().text(text), Cow::Borrowed(same) if same == text),
        "{text:?} became {:?}",
        Redactor::default().text(text)
    );
}

#[test]
fn sentences_about_secrets() {
    for text in [
        "invalid password",
        "password authentication failed for user \"bob\"",
        "password is required",
        "password: required",
        "token expired",
        "token: expired",
        "unexpected token `}` at line 3",
        "unexpected token: }",
        "unexpected token: ident",
        "expected token: `)`",
        "secret not found",
        "secret \"db-credentials-v2\" not found",
        "no api key given",
        "missing field `password`",
        "missing field `password` at line 1 column 2",
        "unknown field `token`, expected `name`",
        "authorization failed",
        "authorization: failed",
        "Bearer token missing",
        "bearer of bad news",
        "cookie too large",
        "cookie: too large",
        "the bearer token is invalid",
        "WWW-Authenticate: Bearer realm=\"x\"",
        "Bearer authentication required",
        "basic authentication is disabled",
        "Basic plan",
        "password must have 8 characters",
        "password: must be longer",
        "Access denied for user 'root'@'localhost' (using password: YES)",
        "failed to parse token: premature end of input",
        "could not read secret: permission denied",
        "cannot decode token: InvalidSignature",
        "failed to verify token: ExpiredSignature",
        "cannot read private key: No such file or directory (os error 2)",
        "failed to fetch secret: timeout",
        "failed to refresh token: connection refused",
        "failed to refresh token: error sending request for url (http://a/b)",
        "verify token: signature mismatch",
        "the argument '--password <PASSWORD>' cannot be used with '--token'",
        "usage: login --user <USER> --password <PASSWORD>",
        "--token is required",
        "error: the following: --password",
        "POST /oauth/token: 400 Bad Request",
        "ERROR app::token: refused",
        "token::verify failed",
        "src/auth/token.rs:42:7",
        "secret.yaml:3: bad indent",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db",
        "mismatched types: token: &str",
        "struct Login { password: String }",
        "reading cookie",
        "session closed",
        "wrong password",
        "passwords do not match",
        "password",
        "password:",
        "password=",
        "token",
        "Bearer",
        "Authorization: Bearer",
        "secret: not found",
        "password: ",
    ] {
        check_kept(text);
    }
}

#[test]
fn what_is_no_secret_or_none_anymore() {
    for text in [
        "key=42",
        "password=***",
        "password=****",
        "token: None",
        "token: null",
        "password=\"\"",
        "password=''",
        "password=,a=1",
        "password=&user=bob",
        "password= user=bob",
        "password=[redacted]",
        "password: \"[redacted]\"",
        "password=<redacted>",
        "password: Secret([REDACTED alloc::string::String])",
        "password=[FILTERED]",
        "password=xxxxx",
        "authorization: Sensitive",
        "update users set password = $1 where id = $2",
        "select * from users where token = ?",
        "password={}",
        "PWD=/home/bob",
        "postgres://user:***@host/db",
        "postgres://user@host/db",
        "http://localhost:8080/a@b",
        "ssh://git@github.com:22/a/b",
        "mail bob@example.com",
        "from 10.0.0.1:5432",
        "https://a.b:443/x?key=42&code=7",
        "token_count=3 max_tokens=100",
        "password_policy=strict",
        "next_page_token=abc",
        "author=bob authority=x",
        "token: Option<String>",
        "primary_key=4",
        "has_password=true",
        "http://[::1]:80/x",
        "http://host:port",
        "redis://localhost:6379/0",
    ] {
        check_kept(text);
    }
}

#[test]
fn ids_and_numbers() {
    for text in [
        "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "trace 4bf92f3577b34da6a3ce929d0e0e4736",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "commit 0f87ee5c1a2b3c4d5e6f708192a3b4c5d6e7f809",
        "1767225600000000",
        "1767225600000000000",
        "at 1767225600123",
        "order 4111111111111112",
        "+49 151 12345678",
        "+4915112345678",
        "(555) 123-4567",
        "555-123-4567",
        "took 1.5s",
        "0.4111111111111111",
        "4111111111111111.5",
        "41111111111111110000",
        "id 1234567890123456",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
        "2026-01-04T07:01:02.123456Z",
        "sk-learn-is-a-library-for-everyone",
        "hf_hub_download_of_model",
        "SKU-123456",
        "npm_config_registry_of_user",
        "eyJ",
        "AKIA is a prefix",
        "key-value-store",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "a-4111-1111-1111-1111-1111",
        "shared_ptr",
        "10:20:30:40:50",
    ] {
        check_kept(text);
    }
}
