//! What each rule keeps and removes, and what holds for any text. Whole messages in pairs are in `tests/grouping.rs`.

use proptest::{prelude::*, string::string_regex};

use super::{Kind, PLACEHOLDER, normalize, replacements};

/// Checks what is left of a message; `*` stands for the placeholder.
#[track_caller]
fn check(message: &str, expected: &str) {
    assert_eq!(normalize(message).replace(PLACEHOLDER, "*"), expected);
}

/// Checks that one piece of the message goes, and why.
#[track_caller]
fn check_kind(message: &str, piece: &str, kind: Kind) {
    let found = replacements(message);
    let pieces: Vec<_> = found.iter().map(|found| (&message[found.start..found.end], found.kind)).collect();
    assert_eq!(pieces, [(piece, kind)], "{message}");
}

/// Checks that nothing in the message varies.
#[track_caller]
fn check_kept(message: &str) {
    check(message, message);
    assert_eq!(replacements(message), []);
}

#[test]
fn every_kind_is_told_with_its_range() {
    check_kind("order 7c9e6679-7425-40de-944b-e07fc1f90ae7 gone", "7c9e6679-7425-40de-944b-e07fc1f90ae7", Kind::Uuid);
    check_kind("object 507f1f77bcf86cd799439011", "507f1f77bcf86cd799439011", Kind::Hex);
    check_kind("etag d41d8cd98f00b204e9800998ecf8427e", "d41d8cd98f00b204e9800998ecf8427e", Kind::Hash);
    check_kind("session 01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAV", Kind::Ulid);
    check_kind("room cjld2cjxh0000qzrmn831i7rn", "cjld2cjxh0000qzrmn831i7rn", Kind::Id);
    check_kind(
        "token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc.",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
        Kind::Token,
    );
    check_kind("data aGVsbG8gd29ybGQ= bad", "aGVsbG8gd29ybGQ=", Kind::Blob);
    check_kind("peer fe80::1%eth0 left", "fe80::1%eth0", Kind::Ip);
    check_kind("nic 00:1a:2b:3c:4d:5e", "00:1a:2b:3c:4d:5e", Kind::Mac);
    check_kind("at localhost:40991", "40991", Kind::Port);
    check_kind("to bob@example.com.", "bob@example.com", Kind::Email);
    check_kind("at amqp://u:p@mq/x", "u:p@", Kind::Credentials);
    check_kind("GET /x?since=abc", "abc", Kind::Query);
    check_kind("at 2026-01-04 07:01:02 UTC today", "2026-01-04 07:01:02 UTC", Kind::Time);
    check_kind("for 2h3m now", "2h3m", Kind::Duration);
    check_kind("for P1DT2H3.5S now", "P1DT2H3.5S", Kind::Duration);
    check_kind("of 1.5 GiB now", "1.5 GiB", Kind::Size);
    check_kind("price -1,250.75 low", "-1,250.75", Kind::Number);
    check_kind("at src/a.rs:4:2", ":4:2", Kind::Position);
    check_kind("in /home/bob/x", "/home/bob", Kind::Path);
    check_kind("pod feed-7d9f8b6c5d-x2x4z", "7d9f8b6c5d-x2x4z", Kind::Pod);
    check_kind("bad name \"Bob\"", "\"Bob\"", Kind::Value);
    check_kind("\u{1b}[31mred", "\u{1b}[31m", Kind::Colour);
}

#[test]
fn ranges_are_those_of_the_original_message() {
    let message = "  é \u{1b}[1m4\u{1b}[0m2\t\u{7}\r\n is 5\u{a0}rows ";
    let found = replacements(message);
    let pieces: Vec<_> = found.iter().map(|found| (&message[found.start..found.end], found.kind.as_str())).collect();
    assert_eq!(pieces, [("\u{1b}[1m", "colour"), ("4\u{1b}[0m2", "number"), ("5", "number"), ("s", "plural")]);
    check(message, "é * is * row");
}

#[test]
fn codes_stay_and_counts_go() {
    check_kept("os error 24");
    check_kept("HTTP/1.1 502");
    check_kept("exit code: 0xc0000005");
    check_kept("1062 (23000): no");
    check_kept("poll returned -1, GET /x -> 404, failed with 410, PT and P2002");
    check_kept("rejected with 429 Too Many Requests");
    check_kept("column \"a1b2c3d4\" of type numeric(10)");
    check_kept("TLS 1.3, TLSv1.2, SSLv3, HTTP/2, /api/v3/x");
    check("error: 24 of 30, status page 5", "error: * of *, status page *");
    check("failed to decode 404 bytes", "failed to decode *");
    check("release v1.4.2", "release v*");
    check_kept("request failed: 500, a 404 response, exit code: 3221225477, ErrorResponse(502)");
    check("rows failed: 500, 404 errors, error: 7", "rows failed: * error, error: *");
    check("balance 300 -> 400, 7 -> 500", "balance * -> * -> *");
    check("expected a digit but got x", "expected a digit but got *");
    check_kept("expected a digit but got a letter");
}

#[test]
fn digits_in_names_stay() {
    check_kept("sha256 utf8 u64 ipv4 x86_64 UTF-16 ISO-8859-1 AES-256-GCM P-384 rfc3339 ed25519 secp256k1");
    check_kept("Sha256Mismatch Base64Error Http2H3Error X509Expired v1beta1 s3 k8s i18n E0308 CVE-2024-3094 2fa 5xx");
    check("worker3 node-7 order81723 shard_12", "worker* node-* order* shard_*");
}

#[test]
fn rust_paths_are_no_addresses() {
    check_kept("fee::add bad::c0de f64::abs db::pool::acquire <T>::add a::b");
    check("::1 1::2 2001:db8::f64 ::ffff:10.0.0.1", "*");
}

#[test]
fn apostrophes_open_nothing() {
    check_kept("can't read the users' table, isn't it: 'tis lost");
    check_kept("expected `&'static str`, found `&'a str`");
    check("can't parse 'it is 5 o'clock' here", "can't parse * here");
}

#[test]
fn quotes_hold_names_prose_or_data() {
    check_kept("key 'users.email', topic \"orders\", missing \"Authorization\" header");
    check("message: \"user 5 has no \\\"name\\\"\"", "message: \"user * has no \\*\"");
    check("string \"/etc/passwd\", file \"/etc/app.toml\"", "string *, file \"/etc/app.toml\"");
    check("unclosed \"text 5 and 'more", "unclosed \"text * and 'more");
}

#[test]
fn assertions_lose_their_values() {
    check(
        "assertion failed: x\n  left: `a\"b`,\n right: 5\nnote: left: 5",
        "assertion failed: x left: * right: * note: left: *",
    );
    check_kept("turn left: north, right: south");
}

#[test]
fn ports_of_services_stay() {
    check_kept("kafka:29092 localhost:1234 db.internal:15000 a-b:7777 port 5432");
    check(
        "10.0.0.1:5432 [::1]:8080 db.internal:40000 user:8123 port 53817",
        "*:5432 [*]:8080 db.internal:* user:* port *",
    );
}

#[test]
fn paths_lose_what_is_of_a_machine() {
    let index = "registry/src/index.crates.io-1949cf8c6b5b557f/h2-0.4.1/src/lib.rs:4:2";
    check(&format!("/usr/local/cargo/{index}"), "*/h2-*/src/lib.rs*");
    check(&format!("~/.cargo/{index}"), "*/h2-*/src/lib.rs*");
    check("/var/folders/zz/zyx_n0000/T/.tmpAbCdEf/a /tmp/tmp.AbC123xyZ0 /root/a", "*/.*/a /tmp/tmp.*/a");
    check("file:///home/bob/x", "file://*/x");
}

#[test]
fn placeholders_cannot_be_brought() {
    check(&format!("user {PLACEHOLDER} gone"), "user gone");
    assert_ne!(normalize("user * gone"), normalize("user 5 gone"));
    assert_ne!(normalize("user <number> gone"), normalize("user 5 gone"));
}

/// Redaction may have come before, or not.
#[track_caller]
fn check_secret(message: &str, secret: &str) {
    let redacted = message.replace(secret, "[redacted]");
    assert_eq!(normalize(message), normalize(&redacted), "{message} | {redacted}");
    assert!(!normalize(message).contains(secret));
}

#[test]
fn secrets_group_with_their_redaction() {
    check_secret("password=hunter2 bad", "hunter2");
    check_secret("password=hunter bad", "hunter");
    check_secret("token=dG9rZW4= bad", "dG9rZW4=");
    check_secret("api_key: abcd-efgh", "abcd-efgh");
    check_secret("api_key=z, next", "z");
    check_secret("x-api-key: abc123 refused", "abc123");
    check_secret("Authorization: Bearer abc.def.ghi-123 refused", "abc.def.ghi-123");
    check_secret("dbPassword: S3cret! in config", "S3cret!");
    check_secret("mysql --password hunter -h db", "hunter");
    check_secret("{\"api_key\":\"/a/b/c\",\"ok\":true}", "/a/b/c");
    check_secret("Login { name: \"x\", password: \"hunter2\" }", "hunter2");
    check_secret("Login { token: Some(\"hunter2\") }", "hunter2");
    check_secret("postgres://bob:hunter2@db/orders failed", "hunter2");
    check_secret("GET /x?token=hunter2&page=1 failed", "hunter2");
    check("key of [redacted] and [REDACTED] gone", "key of * and * gone");
}

#[test]
fn prose_about_secrets_stays() {
    check_kept("invalid password");
    check_kept("refresh token: connection refused");
    check_kept("password: required");
    check_kept("Bearer token missing");
    check_kept("unexpected token: expected a value");
    check_kept("secret not found, token: None");
    check_kept("invalid token: ExpiredSignature; key: none");
}

#[test]
fn lists_of_any_length_are_one_text() {
    check("ids [1, 2, 3] and [\"a\", \"b\"]", "ids [*] and [*]");
    check("bytes 0xde 0xad, 0xbe", "bytes *");
}

/// Quadratic work shows as a test that takes minutes instead of a few seconds.
#[test]
fn hostile_texts_are_read_once() {
    let pieces = [
        "\"",
        "'",
        " '",
        "\\\"",
        "\\",
        "`",
        "\"a 'b ",
        "key 'key ",
        "(",
        ")=(",
        ")=(x) ",
        "=",
        "a=",
        "?a=",
        "&a",
        "/",
        " /",
        "~/",
        "=/",
        "\\\\",
        ":",
        "::",
        "a:",
        "1:",
        "1.",
        "1,",
        "1-",
        "-",
        "0x",
        "0x_",
        "eyJ",
        "ey",
        "a@",
        "a.",
        "@",
        "ab",
        "a1",
        "A1b/",
        "a-",
        "a_",
        "://",
        "a://",
        "left: right: ",
        "assertion left: ",
        "row contains (",
        "\u{1b}",
        "\u{1b}[",
        "\u{1b}]",
        "\\u{1b}[",
        "\u{9b}",
        "é",
        " ",
        "\n",
        "\u{a0}",
        "\0",
        "Jan ",
        "Jan 4 ",
        "10:10:10.",
        "a.rs:1",
        "1 s ",
        "1s",
        "byte index `",
        "byte index of `",
        "{\"a\":",
        "message: \"",
        "::1",
        "fe80:",
        "00:",
        "a/a/",
        "Aa1+",
        "[redacted",
        "\n3 | ",
        "^",
        "found `",
        "variant `x`, expected ",
        "MissingField(\"a b c",
        "P1DT",
        "/x -> 404 ",
        "token:",
        "token: ",
        "token=",
        "Bearer ",
        "--token ",
        "a_key:",
    ];
    for piece in pieces {
        for (start, end) in [("", ""), ("assertion key \"message: 'a ", "("), ("", ")"), ("", "\"")] {
            let message = format!("{start}{}{end}", piece.repeat(32 * 1024 / piece.len()));
            assert!(normalize(&message).len() <= message.len());
        }
    }
}

/// Texts rich in what the rules look for.
fn any_message() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        any::<String>(),
        string_regex("[ -~]{0,12}").expect("a valid pattern"),
        string_regex("[0-9a-fA-F:.%/-]{1,20}").expect("a valid pattern"),
        string_regex("[\"'`\\\\({\\[ =:,é\u{1b}\u{1a}\n]{1,6}").expect("a valid pattern"),
        prop::sample::select(vec![
            "key ",
            "code",
            "status ",
            "assertion ",
            "left: ",
            " right:",
            "byte index",
            "://",
            "http",
            "\u{1b}[31m",
            "/tmp/",
            "/home/",
            "Jan ",
            " UTC",
            "row contains (",
            ")=(",
            "message: \"",
            "\\\"",
            "error ",
            "port ",
            "v1.",
            "12:30",
            "5 rows",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
}

/// What varies between occurrences, in spellings that do not change with the value.
fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u128>().prop_map(|id| {
            let hex = format!("{id:032x}");
            format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
        }),
        (1970..2100, 1..=12, 1..=28, 0..24, 0..60)
            .prop_map(|(y, m, d, h, s)| format!("{y}-{m:02}-{d:02}T{h:02}:30:{s:02}Z")),
        any::<[u8; 4]>().prop_map(|[a, b, c, d]| format!("{a}.{b}.{c}.{d}")),
        any::<[u16; 8]>()
            .prop_map(|ip| std::net::Ipv6Addr::from([0x2001, 0xdb8, ip[0], ip[1], 0, 0, 1, ip[7]]).to_string()),
        any::<u32>().prop_map(|ms| format!("{:?}", std::time::Duration::from_millis(ms.into()))),
        (any::<u64>()).prop_map(|pointer| format!("{pointer:#x}")),
    ]
}

const TEMPLATES: [&str; 8] = [
    "order {} refused",
    "{}: refused",
    "order {} of user {} refused at {}, retry (after {})",
    "value: {}, other={} [{}]",
    "error returned from database: duplicate key value violates unique constraint \"a_pkey\": Key (id)=({}) already exists.",
    "invalid type: integer `{}`, expected a string at line 4",
    "HTTP 502 from upstream after {}; os error 111",
    "message: \"cannot read {}\", details: []",
];

proptest! {
    #[test]
    fn any_text_is_survived(message in any_message()) {
        let text = normalize(&message);
        let found = replacements(&message);
        // No text grows, so no work can grow with what was already written.
        prop_assert!(text.len() <= message.len());
        prop_assert!(text.matches(PLACEHOLDER).count() <= found.len());
        prop_assert!(!text.contains(|c: char| c.is_control() && c != PLACEHOLDER));
        let mut end = 0;
        for piece in found {
            prop_assert!(piece.start >= end && piece.start < piece.end, "{piece:?} in order");
            prop_assert!(message.get(piece.start..piece.end).is_some(), "{piece:?} on characters");
            end = piece.end;
        }
    }

    #[test]
    fn input_cannot_forge_a_placeholder(pieces in prop::collection::vec("[ -~]{0,12}", 1..8)) {
        prop_assert_eq!(normalize(&pieces.join("\u{1a}")), normalize(&pieces.concat()));
    }

    #[test]
    fn colours_and_white_space_change_nothing(words in prop::collection::vec("[a-z]{1,8}|[0-9]{1,6}", 1..8)) {
        let plain = normalize(&words.join(" "));
        prop_assert_eq!(normalize(&words.join("\u{1b}[31;1m \r\n\t")), plain.clone());
        prop_assert_eq!(normalize(&format!(" \u{1b}[0m{}\n", words.join("  "))), plain);
    }

    #[test]
    fn grouping_is_stable_under_changing_values(
        template in prop::sample::select(&TEMPLATES[..]),
        values in prop::collection::vec((any_value(), any_value()), 4),
    ) {
        let (mut a, mut b) = (template.to_owned(), template.to_owned());
        for (one, other) in &values {
            a = a.replacen("{}", one, 1);
            b = b.replacen("{}", other, 1);
        }
        prop_assert_eq!(normalize(&a), normalize(&b), "{} | {}", a, b);
    }
}
