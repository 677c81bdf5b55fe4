//! The log of a process that is told hostile things. How a single event is written is tested beside `logs.rs`.

use super::*;

const HOSTILE: &str = "first\nsecond\r\n{\"level\":\"ERROR\"}\u{85}\u{2028}\x1b[2J\u{202e} \"quoted\" \\";

/// The lines of the log of a server whose configuration, events and requests are hostile.
fn lines(format: &str) -> Vec<String> {
    let place = Place::new();
    let path = place.path().join(format!("{HOSTILE}.sqlite"));
    let variables = [
        ("ISSUETRACKER_LOG_FORMAT", format),
        ("ISSUETRACKER_LOG", "trace"),
        ("ISSUETRACKER_STORE_PATH", path.to_str().unwrap()),
    ];
    let server = place.start(&variables);
    let hostile = json!({"title": HOSTILE, "service": HOSTILE, "created_at": HOSTILE, "severity": HOSTILE,
        "error": [{"kind": HOSTILE, "message": HOSTILE}], "dropped_before": {HOSTILE: 3}, HOSTILE: HOSTILE});
    assert_eq!(server.ingest(&[hostile])[0]["status"], "accepted");
    server.post("/api/v1/events", HOSTILE).expect(200);
    server.post("/api/v1/issues", json!({"title": "", "priority": HOSTILE}).to_string()).expect(400);
    server.get("/api/v1/issues?q=%0asecond%0d%1b%5b2J").expect(200);
    server.get("/nowhere/%0a%0d%1b").expect(404);
    let log = server.terminate().log;
    assert!(log.contains("second") && log.contains("stopped"), "{log}");
    log.lines().map(str::to_owned).collect()
}

#[test]
fn every_line_of_the_log_is_an_event_whatever_the_server_is_told() {
    for line in lines("text") {
        let time = line.split(' ').next().unwrap();
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "no event begins here: {line:?}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
}

#[test]
fn every_line_of_the_log_is_json_whatever_the_server_is_told() {
    let mut is_told = false;
    for line in lines("json") {
        let event: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        assert!(event["level"].is_string() && event["timestamp"].is_string(), "{line}");
        is_told |= event["fields"]["message"].as_str().is_some_and(|message| message.contains(HOSTILE));
    }
    assert!(is_told, "the message itself is what was said");
}
