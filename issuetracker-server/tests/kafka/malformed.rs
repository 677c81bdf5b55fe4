//! Some eighty values that no producer should write. Each becomes an issue or a dead letter with its reason and its bytes,
//! and the partition goes on. What each repair looks like is tested beside the decoder.

use crate::*;

/// What becomes of a value: an issue, or a dead letter for this reason.
type Fate = Result<(), &'static str>;

const READ: Fate = Ok(());
const NOT_JSON: Fate = Err("not_json");
const NOT_UTF8: Fate = Err("not_utf8");
const NOT_AN_OBJECT: Fate = Err("not_an_object");
const NO_TITLE: Fate = Err("no_title");
const TOO_LARGE: Fate = Err("too_large");

/// Values that are bytes, and no text.
fn bytes() -> Vec<(Vec<u8>, Fate)> {
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    let within = |inner: Vec<u8>| [&b"{\"title\": \"x\", \"context\": "[..], &inner, b"}"].concat();
    vec![
        (vec![], NOT_JSON),
        (vec![0], NOT_JSON),
        (vec![0; 1_000], NOT_JSON),
        (vec![0xff], NOT_UTF8),
        (vec![0xc3, 0x28], NOT_UTF8),
        (b"{\"title\": \"caf\xe9\"}".to_vec(), NOT_UTF8),
        (b"{\"title\": \"\xed\xa0\x80\"}".to_vec(), NOT_UTF8),
        (b"{\"title\": \"\xf8\x88\x80\x80\x80\"}".to_vec(), NOT_UTF8),
        (b"{\"title\": \"overlong \xc0\xaf\"}".to_vec(), NOT_UTF8),
        ([&[0xff, 0xfe][..], &utf16("{\"title\": \"x\"}")].concat(), NOT_UTF8),
        (utf16("{\"title\": \"x\"}"), NOT_JSON),
        // gzip, zstd, Avro with a schema registry, protobuf, an ELF file, a Java object.
        (vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], NOT_UTF8),
        (vec![0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58], NOT_UTF8),
        (vec![0, 0, 0, 0, 7, 0x14, b't', b'e', b'x', b't'], NOT_JSON),
        (vec![0x0a, 0x03, b'a', b'b', b'c', 0x10, 0x96, 0x01], NOT_UTF8),
        (b"\x7fELF\x02\x01\x01\x00".to_vec(), NOT_JSON),
        (vec![0xac, 0xed, 0, 5, b's', b'r'], NOT_UTF8),
        (nested(64), NOT_AN_OBJECT),
        (nested(200), NOT_JSON),
        (nested(100_000), NOT_JSON),
        (vec![b'['; 200_000], NOT_JSON),
        (vec![b'{'; 200_000], NOT_JSON),
        ("{\"a\":".repeat(50_000).into_bytes(), NOT_JSON),
        (within(nested(100)), READ),
        (within(nested(127)), NOT_JSON),
        (within(nested(5_000)), NOT_JSON),
        (vec![b' '; 100_000], NOT_JSON),
        (vec![b'9'; 300_000], NOT_AN_OBJECT),
        (vec![b'"'; 300_001], NOT_JSON),
        (b"\xef\xbb\xbf{\"title\": \"after a byte order mark\"}".to_vec(), READ),
        (b"\xef\xbb\xbf".to_vec(), NOT_JSON),
        ([&b"{\"title\": \""[..], &vec![b'x'; 1_000_000], b"\"}"].concat(), TOO_LARGE),
        ([&b"{\"title\": \""[..], &vec![b'x'; 900_000], b"\"}"].concat(), READ),
    ]
}

/// Values that are text.
const TEXTS: [(&str, Fate); 54] = [
    ("null", NOT_AN_OBJECT),
    ("true", NOT_AN_OBJECT),
    ("42", NOT_AN_OBJECT),
    ("-0.0e-0", NOT_AN_OBJECT),
    ("\"title\"", NOT_AN_OBJECT),
    ("[]", NOT_AN_OBJECT),
    ("[{\"title\": \"in a list\"}]", NOT_AN_OBJECT),
    ("{}", NO_TITLE),
    ("{\"title\": \"\"}", NO_TITLE),
    ("{\"title\": \" \\n\\t \"}", NO_TITLE),
    ("{\"title\": null, \"description\": null}", NO_TITLE),
    ("{\"Title\": \"another case\"}", NO_TITLE),
    ("{\"message\": \"another name\"}", NO_TITLE),
    ("{\"title\": \"\\u0000\\u0007\"}", READ),
    ("{", NOT_JSON),
    ("}", NOT_JSON),
    ("{\"", NOT_JSON),
    ("{\"title", NOT_JSON),
    ("{\"title\"", NOT_JSON),
    ("{\"title\":", NOT_JSON),
    ("{\"title\": \"cut o", NOT_JSON),
    ("{\"title\": \"cut off\"", NOT_JSON),
    ("{\"title\": \"x\",}", NOT_JSON),
    ("{\"title\": \"x\",, \"type\": \"bug\"}", NOT_JSON),
    ("{\"title\": \"x\"} {\"title\": \"y\"}", NOT_JSON),
    ("{\"title\": \"x\"}\n{\"title\": \"y\"}", NOT_JSON),
    ("{\"title\": \"x\"}]", NOT_JSON),
    ("{'title': 'single quotes'}", NOT_JSON),
    ("{title: \"no quotes\"}", NOT_JSON),
    ("{\"title\": \"x\" /* a comment */}", NOT_JSON),
    ("{\"title\": undefined}", NOT_JSON),
    ("{\"title\": \"\\x41\"}", NOT_JSON),
    ("{\"title\": \"\\u12\"}", NOT_JSON),
    ("{\"title\": 0x10}", NOT_JSON),
    ("{\"title\": 01}", NOT_JSON),
    ("{\"title\": +1}", NOT_JSON),
    ("<event><title>XML</title></event>", NOT_JSON),
    ("title: YAML", NOT_JSON),
    ("title=form&type=bug", NOT_JSON),
    ("2026-11-25 12:00:00 ERROR a line of a log", NOT_JSON),
    ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", NOT_JSON),
    ("{\"title\": \"NaN is Python's\", \"context\": {\"x\": NaN, \"y\": -Infinity}}", READ),
    ("{\"title\": \"a lone surrogate \\ud800\"}", READ),
    ("{\"title\": \"a number beyond\", \"context\": {\"n\": 1e999}}", READ),
    ("{\"title\": 7}", READ),
    ("{\"title\": \"twice\", \"title\": \"the same key\"}", READ),
    (
        "{\"title\": \"wrong types\", \"tags\": 5, \"context\": [1], \"error\": 7, \"spans\": {}, \"occurrences\": \"many\"}",
        READ,
    ),
    ("{\"title\": \"less than none\", \"occurrences\": -5}", READ),
    ("{\"title\": \"more than all\", \"occurrences\": 99999999999999999999999}", READ),
    ("{\"title\": \"no time\", \"created_at\": \"yesterday\", \"first_at\": {}, \"last_at\": 1e30}", READ),
    ("{\"title\": \"odd ids\", \"event_id\": \"../../etc\", \"issue_id\": \"\\u202e\", \"fingerprint\": [[]]}", READ),
    ("{\"title\": \"<script>alert(1)</script> {{ 7 * 7 }} ${jndi:ldap://a}\", \"severity\": \"apocalyptic\"}", READ),
    ("{\"title\": \"an unknown op\", \"op\": \"drop table\", \"v\": -1, \"__proto__\": {\"x\": 1}, \"\": \"\"}", READ),
    ("{\"title\": \"Z\\u0301a\\u0316l\\u0317g\\u0318o \\u202e reversed \\ufeff\", \"component\": \"a\\nb\"}", READ),
];

#[test]
fn eighty_malformed_values_are_read_or_set_aside_and_nothing_stops() {
    let (kafka, place) = (Kafka::new(), Place::new());
    let server = kafka.start(&place);
    let texts = TEXTS.iter().map(|(text, fate)| (text.as_bytes().to_vec(), *fate));
    let values: Vec<(Vec<u8>, Fate)> = bytes().into_iter().chain(texts).collect();
    kafka.produce(Some(2), values.iter().map(|(value, _)| value.as_slice()));
    kafka.wait_until_committed(&kafka.group);

    let mut letters = BTreeMap::new();
    let expected = values.iter().filter(|(_, fate)| fate.is_err()).count();
    for letter in kafka.dead_letters(expected) {
        let header = |name| letter.headers().unwrap().iter().find(|header| header.key == name).unwrap().value.unwrap();
        let offset: usize = std::str::from_utf8(header("offset")).unwrap().parse().unwrap();
        let reason = String::from_utf8(header("reason").to_vec()).unwrap();
        letters.insert(offset, (reason, letter.payload().unwrap_or_default().to_vec()));
    }
    for (offset, (value, fate)) in values.iter().enumerate() {
        let shown = String::from_utf8_lossy(&value[..value.len().min(60)]);
        let found = letters.get(&offset);
        assert_eq!(found.map_or(READ, |(reason, _)| Err(reason.as_str())), *fate, "{shown}");
        if let Some((_, payload)) = found {
            assert!(value.starts_with(payload) && (payload.len() == value.len() || payload.len() == 65_536), "{shown}");
        }
    }
    let read = values.len() - expected;
    wait_until("the others are issues", || equal(&consumed(&server, "stored"), &(read as f64)));
    // Whatever they say, their pages can be shown.
    for issue in server.issues("") {
        server.get(&format!("/issues/{}", issue["id"].as_str().unwrap())).expect(200);
    }
    server.get("/readyz").expect(200);
}
