//! What every route has in common: refusals, headers, health, metrics, live updates.

use super::*;

#[test]
fn what_is_not_there_is_a_404_in_json() {
    let place = Place::new();
    let server = place.start(&[]);
    let ids = [
        "01a2b3c4d5e6f789",
        "x",
        "%00",
        "..%2F..%2Fetc%2Fpasswd",
        "a%2Fb",
        "__x__",
        "%27%20OR%201=1",
        "%F0%9F%9A%A8",
        &"a".repeat(2_000),
    ];
    for id in ids {
        let message = server.get(&format!("/api/v1/issues/{id}")).problem(404, "not_found");
        assert!(message.contains("issue"), "{id}: {message}");
        for list in ["comments", "activities", "occurrences"] {
            server.get(&format!("/api/v1/issues/{id}/{list}")).problem(404, "not_found");
        }
        server.patch(&format!("/api/v1/issues/{id}"), &json!({"status": "open"})).problem(404, "not_found");
        server.post(&format!("/api/v1/issues/{id}/comments"), r#"{"content": "x"}"#).problem(404, "not_found");
    }
    for path in ["/api/v1/nothing", "/api/v1", "/api/v2/issues", "/api/"] {
        server.get(path).problem(404, "not_found");
    }
    for path in ["/nothing", "/issues/01a2b3c4d5e6f789", "/issues/%00", "/assets/..%2Fapp.css", "/assets/app.css"] {
        let page = server.get(path).expect(404);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        assert!(page.text().contains(page.header("x-request-id").unwrap()), "{path} does not name its request");
    }
}

#[test]
fn a_wrong_method_and_a_body_that_is_too_large_are_refused() {
    let place = Place::new();
    let server = place.start(&[]);
    for (method, path) in
        [("DELETE", "/api/v1/issues"), ("PUT", MISSING), ("POST", "/api/v1/issues/recent"), ("GET", "/api/v1/events")]
    {
        let answer = server.ask(method, path, &[], "");
        answer.problem(405, "method_not_allowed");
        assert!(answer.header("allow").is_some_and(|allowed| !allowed.contains(method)), "{method} {path}");
    }
    let large = |bytes| json!({"title": "T", "context": {"text": "x".repeat(bytes)}}).to_string();
    server.post("/api/v1/issues", large(600 * 1024)).problem(413, "too_large");
    server.post("/api/v1/issues", large(500 * 1024)).expect(202);
    // A batch of events has more room than anything else.
    server.post("/api/v1/events", large(600 * 1024)).expect(200);
    server.post("/api/v1/events", format!("{}\n", large(900 * 1024)).repeat(10)).problem(413, "too_large");
    let too_large = server.post("/api/v1/events", large(1024 * 1024)).expect(200).json();
    assert_eq!(too_large["results"][0]["code"], "too_large");
}

#[test]
fn operators_see_that_it_lives_is_ready_and_what_it_counted() {
    let place = Place::new();
    let server = place.start(&[]);
    assert_eq!(server.get("/healthz").expect(200).text(), "ok\n");
    let ready = server.get("/readyz").expect(200).json();
    assert_eq!(ready, json!({"status": "ready", "checks": {"store": {"ok": true}}}));

    let repeated = with(event("feed stalled"), &json!({"occurrences": 7}));
    let body = format!("{repeated}\n{repeated}\nnot json\n{}", event("quote refused"));
    server.post("/api/v1/events", body).expect(200);
    let records = |result: &str| {
        server.metric("issuetracker_ingest_records_total", &["road=\"http\"", &format!("result=\"{result}\"")])
    };
    assert_eq!((records("stored"), records("duplicate"), records("invalid")), (2.0, 1.0, 1.0));
    assert_eq!(server.metric("issuetracker_occurrences_total", &[]), 8.0);
    assert_eq!(server.metric("issuetracker_issues_created_total", &[]), 2.0);
    let route = ["route=\"/api/v1/events\"", "method=\"POST\"", "status=\"200\""];
    assert_eq!(server.metric("issuetracker_http_request_seconds_count", &route), 1.0);
    // The address that somebody made up is no label: labels are bounded.
    server.get("/made-up/by-a-scanner").expect(404);
    assert!(!server.get("/metrics").text().contains("made-up"));
}

#[test]
fn live_updates_name_the_issues_that_changed() {
    let place = Place::new();
    let server = place.start(&[]);
    let mut lines = BufReader::new(server.open("GET", "/api/v1/stream", &[], "").unwrap()).lines();
    let head: Vec<String> = lines.by_ref().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
    assert!(head[0].contains(" 200 ") && head.contains(&"content-type: text/event-stream".to_owned()), "{head:?}");
    let mut next = || {
        let name = lines.find_map(|line| line.unwrap().strip_prefix("event: ").map(str::to_owned)).unwrap();
        let data = lines.next().unwrap().unwrap();
        (name, serde_json::from_str::<Value>(data.strip_prefix("data: ").unwrap()).unwrap())
    };

    let results = server.ingest(&[event("feed stalled"), event("quote refused"), event("feed stalled")]);
    let (feed, quote) = (&results[0]["issue_id"], &results[1]["issue_id"]);
    assert_eq!(next(), ("issues".to_owned(), json!({"ids": [feed, quote], "created": [feed, quote]})));
    server.ingest(&[event("feed stalled")]);
    assert_eq!(next(), ("issues".to_owned(), json!({"ids": [feed], "created": []})));
    let address = format!("/api/v1/issues/{}", quote.as_str().unwrap());
    server.patch(&address, &json!({"status": "closed"})).expect(200);
    assert_eq!(next(), ("issues".to_owned(), json!({"ids": [quote], "created": []})));
    server.post(&format!("{address}/comments"), r#"{"content": "why"}"#).expect(201);
    assert_eq!(next(), ("issues".to_owned(), json!({"ids": [quote], "created": []})));

    // Who was away says what it heard last, and hears the rest; who was away for too long is told to read everything.
    let hear = |last: &str| {
        let stream = server.open("GET", "/api/v1/stream", &[("last-event-id", last)], "").unwrap();
        let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
        let event = lines.find_map(|line| line.strip_prefix("event: ").map(str::to_owned)).unwrap();
        let data = lines.next().unwrap();
        assert!(data.starts_with("data: "), "{data}");
        (event, lines.next().unwrap())
    };
    assert_eq!(hear("0190-1"), ("missed".to_owned(), String::new()));
    let last = lines.next().unwrap().unwrap();
    let (process, number) = last.strip_prefix("id: ").unwrap().rsplit_once('-').unwrap();
    let before: u64 = number.parse::<u64>().unwrap() - 1;
    assert_eq!(hear(&format!("{process}-{before}")), ("issues".to_owned(), last.clone()));

    // A stop does not wait for listeners: their streams end.
    let ended = server.terminate();
    assert!(ended.status.success(), "{}: {}", ended.status, ended.log);
    assert!(ended.took < Duration::from_secs(5), "the stop took {:?}", ended.took);
    assert!(ended.log.contains("stopped"), "{}", ended.log);
    assert!(lines.all(|line| !line.unwrap().starts_with("event")), "news after the stop");
}

#[test]
fn nobody_but_this_machine_and_no_foreign_page_is_served() {
    let place = Place::new();
    let server = place.start(&[]);
    let new = r#"{"title": "T"}"#;
    for host in ["evil.example", "127.0.0.1.evil.example", "10.0.0.1:8080"] {
        server.ask("GET", "/api/v1/issues", &[("host", host)], "").problem(421, "foreign_host");
        server.ask("POST", "/api/v1/issues", &[("host", host)], new).problem(421, "foreign_host");
        server.ask("GET", "/", &[("host", host)], "").expect(421);
    }
    for origin in ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1"] {
        for path in ["/api/v1/issues", "/api/v1/events"] {
            server.ask("POST", path, &[("origin", origin)], new).problem(403, "foreign_origin");
        }
        server.ask("POST", "/issues", &[("origin", origin)], "title=T").expect(403);
    }
    server.ask("PATCH", MISSING, &[("sec-fetch-site", "cross-site")], "{}").problem(403, "foreign_origin");
    assert_eq!(server.issues(""), [] as [Value; 0]);
    let own = format!("http://{}", server.address);
    server.ask("POST", "/api/v1/issues", &[("origin", &own)], new).expect(202);
    server.ask("GET", "/api/v1/issues", &[("host", "localhost:8080")], "").expect(200);
}

#[test]
fn every_answer_has_the_security_headers() {
    #[track_caller]
    fn check(answer: &Answer, what: &str) {
        let policy = answer.header("content-security-policy").unwrap_or_default();
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "form-action 'self'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(rule), "{what}: {rule} is not in {policy:?}");
        }
        assert!(!policy.contains("unsafe"), "{what}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}");
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"), "{what}");
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"), "{what}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{what}");
        assert!(answer.header("x-request-id").is_some(), "{what}");
    }
    let place = Place::new();
    let server = place.start(&[]);
    let page = server.get("/issues").expect(200).text();
    let asset = |extension: &str| {
        let end = page.find(&format!(".{extension}\"")).unwrap() + extension.len() + 1;
        page[page[..end].rfind('"').unwrap() + 1..end].to_owned()
    };
    for path in [asset("css"), asset("js"), "/favicon.ico".to_owned()] {
        let answer = server.get(&path).expect(200);
        check(&answer, &path);
        assert!(answer.header("cache-control").unwrap().starts_with("public, max-age="), "{path}");
    }
    for path in ["/", "/issues/new", "/api/v1/issues", "/healthz", "/readyz", "/metrics", "/nothing", "/api/v1/nothing"]
    {
        let answer = server.get(path);
        check(&answer, path);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
    check(&server.ask("GET", "/", &[("host", "evil.example")], "").expect(421), "a foreign host");
    check(&server.ask("POST", "/api/v1/issues", &[("origin", "null")], "{}").expect(403), "a foreign origin");
    check(&server.post("/api/v1/issues", "x").expect(400), "a bad request");
    check(&server.ask("DELETE", "/issues", &[], "").expect(405), "a wrong method");
    check(&server.post("/api/v1/issues", "x".repeat(600 * 1024)).expect(413), "a large body");
}
