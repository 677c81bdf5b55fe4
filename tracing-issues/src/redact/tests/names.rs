//! Which names are those of secrets.

use super::super::Redactor;

#[test]
fn secret_names() {
    for name in [
        "password",
        "Password",
        "PASSWORD",
        "passwd",
        "pwd",
        "PWD",
        "secret",
        "token",
        "access_token",
        "accessToken",
        "refresh-token",
        "api_key",
        "apiKey",
        "APIKey",
        "apikey",
        "API_KEY",
        "x-api-key",
        "X-API-Key",
        "authorization",
        "Proxy-Authorization",
        "cookie",
        "set-cookie",
        "Set-Cookie",
        "private_key",
        "privateKey",
        "client_secret",
        "clientSecret",
        "credentials",
        "credential",
        "session_id",
        "sessionId",
        "JSESSIONID",
        "db_password",
        "dbPassword",
        "dbpassword",
        "DB_PASS",
        "stripeSecretKey",
        "user.password",
        "config.db.password",
        "password2",
        "password_confirmation",
        "password_hash",
        "PaSsWoRd",
        "aws_secret_access_key",
        "AccountKey",
        "x-auth-token",
        "csrf_token",
        "id_token",
        "jwt",
        "http.request.header.authorization",
        "headers.cookie.0",
        "passwords[0]",
        "private key",
        "cvv",
        "otp",
        "passphrase",
        "encryption_key",
        "MYSQL_PWD",
        "user_pw",
        "webhook_secret",
        "secrets",
    ] {
        assert!(Redactor::default().is_secret_name(name), "{name}");
    }
}

#[test]
fn other_names() {
    for name in [
        "",
        "token_count",
        "tokenCount",
        "password_policy",
        "tokens",
        "max_tokens",
        "maxTokens",
        "secretary",
        "key",
        "monkey",
        "author",
        "authority",
        "session_count",
        "session",
        "user",
        "user_id",
        "keyboard",
        "compass",
        "pass",
        "passed",
        "bypass",
        "token_type",
        "token_id",
        "expires_in",
        "password_length",
        "secret_name",
        "authorization_endpoint",
        "cookie_domain",
        "public_key",
        "primary_key",
        "cache_key",
        "idempotency_key",
        "next_page_token",
        "nextPageToken",
        "has_password",
        "is_secret",
        "isToken",
        "path",
        "message",
        "url",
        "hotkey",
        "broken",
        "tokenizer",
        "basic",
        "bearer_count",
        "trace_id",
        "cookies_accepted",
        "password_reset_at",
        "laptop",
        "pwdx",
        "access_key_id",
    ] {
        assert!(!Redactor::default().is_secret_name(name), "{name}");
    }
}

#[test]
fn names_can_be_added() {
    let redactor = Redactor::default().with_name("iban").with_name("tax_id");
    for name in ["iban", "customer_iban", "customerIban", "IBAN", "tax_id", "taxId", "user.taxId"] {
        assert!(redactor.is_secret_name(name), "{name}");
    }
    for name in ["urban", "riban", "id", "syntax_id"] {
        assert!(!redactor.is_secret_name(name), "{name}");
    }
    assert_eq!(redactor.text("taxId=4 a=1"), "taxId=[redacted] a=1");
    assert!(!Redactor::off().with_name("iban").is_secret_name("iban"));
}
