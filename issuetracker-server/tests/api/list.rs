//! The list: filters, search, order, pages.

use super::*;

/// Four issues, the last one seen first; times a minute apart.
fn list_of_four() -> (Place, Server) {
    let place = Place::new();
    let server = place.start(&[]);
    let fields = [
        json!({"title": "alpha stalled", "service": "feed", "environment": "test", "severity": "critical", "occurrences": 9}),
        json!({"title": "beta refused", "service": "feed", "component": "tcp", "priority": "high", "tags": ["net"], "occurrences": 2}),
        json!({"title": "gamma refused", "service": "book", "type": "task", "assignee_id": "ada", "occurrences": 5}),
        json!({"title": "delta: \"quoted\" C++ timeout_ms", "service": "my book", "description": "the needle"}),
    ];
    let events: Vec<Value> = fields
        .iter()
        .enumerate()
        .map(|(minute, fields)| {
            with(with(event(""), &json!({"created_at": format!("2026-01-05T10:0{minute}:00Z")})), fields)
        })
        .collect();
    server.ingest(&events);
    (place, server)
}

#[test]
fn a_list_filters_searches_and_sorts() {
    let (_place, server) = list_of_four();
    let beta = server.issues("q=beta")[0]["id"].as_str().unwrap().to_owned();
    server.patch(&format!("/api/v1/issues/{beta}"), &json!({"status": "resolved"})).expect(200);
    let all = ["delta", "gamma", "beta", "alpha"];
    let cases: [(&str, &[&str]); 36] = [
        ("", &all),
        ("status=all", &all),
        ("sort=first_seen", &all),
        ("sort=occurrences", &["alpha", "gamma", "beta", "delta"]),
        ("sort=priority", &["alpha", "beta", "delta", "gamma"]),
        ("sort=trend&service=feed", &["alpha", "beta"]),
        ("status=open", &["delta", "gamma", "alpha"]),
        ("status=resolved", &["beta"]),
        ("status=resolved,open", &all),
        ("status=closed", &[]),
        ("service=feed", &["beta", "alpha"]),
        ("service=my+book", &["delta"]),
        ("environment=test", &["alpha"]),
        ("component=tcp", &["beta"]),
        ("severity=critical", &["alpha"]),
        ("priority=high", &["beta"]),
        ("type=task", &["gamma"]),
        ("tag=net", &["beta"]),
        ("tag=ne", &[]),
        ("assignee=ada", &["gamma"]),
        ("assignee=none", &["delta", "beta", "alpha"]),
        ("assignee=me", &[]),
        ("service=feed&severity=error", &["beta"]),
        ("q=refused", &["gamma", "beta"]),
        ("q=REFUS+is:open", &["gamma"]),
        ("q=needle", &["delta"]),
        ("q=service:%22my+book%22", &["delta"]),
        ("q=%22alpha+stalled%22", &["alpha"]),
        ("q=-service:feed,book", &["delta"]),
        ("q=is:open+-refused", &["delta", "alpha"]),
        ("q=env:test,production", &["alpha"]),
        ("q=is:unassigned+tag:net", &["beta"]),
        ("q=last:%3E7d", &all),
        ("q=seen:2026-01-05", &all),
        ("q=first:2026-01-04", &[]),
        // Nothing that a person types is an operator of the store.
        ("q=refused+NOT+beta", &[]),
    ];
    for (query, expected) in cases {
        let issues = server.issues(query);
        let first_words: Vec<_> = titles(&issues).iter().map(|title| title.split([' ', ':']).next().unwrap()).collect();
        assert_eq!(first_words, expected, "{query}");
    }
    for hostile in
        ["%27%29%3B--", "%22", "%22%22", "%2A", "C%2B%2B", "timeout_ms", "http://x", "a:", ":b", "%00", "(", "^"]
    {
        server.get(&format!("/api/v1/issues?q={hostile}")).expect(200);
    }
}

#[test]
fn pages_follow_each_other_without_gaps_or_repeats() {
    let (_place, server) = list_of_four();
    // Two issues that were last seen at the same instant.
    let same = json!({"created_at": "2026-01-05T09:00:00Z"});
    server.ingest(&[with(event("epsilon"), &same), with(event("zeta"), &same)]);
    for sort in ["last_seen", "first_seen", "occurrences", "trend", "priority"] {
        let whole = server.issues(&format!("sort={sort}&limit=100"));
        assert_eq!(whole.len(), 6);
        for limit in [1, 2, 5, 6] {
            assert_eq!(server.issues(&format!("sort={sort}&limit={limit}")), whole, "{sort} by {limit}");
        }
    }
    let page = server.get("/api/v1/issues?limit=2").expect(200).json();
    assert_eq!(page["issues"].as_array().unwrap().len(), 2);
    assert!(page["next_cursor"].is_string());
    // What arrives meanwhile does not move the place.
    let rest_before = server.get(&format!("/api/v1/issues?cursor={}", page["next_cursor"].as_str().unwrap()));
    server.ingest(&[event("brand new")]);
    let rest = server.get(&format!("/api/v1/issues?cursor={}", page["next_cursor"].as_str().unwrap()));
    assert_eq!(rest.expect(200).json(), rest_before.expect(200).json());
}

#[test]
fn what_a_list_cannot_do_is_refused_by_name() {
    let (_place, server) = list_of_four();
    let id = server.issues("q=beta")[0]["id"].as_str().unwrap().to_owned();
    let fields = [
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "-1"),
        ("limit", "many"),
        ("cursor", "nonsense"),
        ("cursor", "%00"),
        ("status", "done"),
        ("status", "open,done"),
        ("severity", "fatal"),
        ("priority", "P1"),
        ("type", "epic"),
        ("sort", "name"),
        ("q", "is:done"),
        ("q", "severity:fatal"),
        ("q", "servce:feed"),
        ("q", "first:soon"),
    ];
    for (field, value) in fields {
        let answer = server.get(&format!("/api/v1/issues?{field}={value}"));
        let message = answer.problem(400, "invalid_field");
        assert!(message.starts_with(&format!("{field}: ")), "{field}={value}: {message}");
    }
    for list in ["issues/recent", &format!("issues/{id}/comments"), &format!("issues/{id}/activities")] {
        for (field, value) in [("limit", "101"), ("cursor", "nonsense")] {
            let message = server.get(&format!("/api/v1/{list}?{field}={value}")).problem(400, "invalid_field");
            assert!(message.starts_with(&format!("{field}: ")), "{list}?{field}={value}: {message}");
        }
    }
}

#[test]
fn recent_means_the_newest_issues_not_the_latest_occurrences() {
    let (_place, server) = list_of_four();
    let again = json!({"title": "alpha stalled", "service": "feed", "environment": "test", "created_at": "2026-01-05T11:00:00Z"});
    server.ingest(&[with(event(""), &again)]);
    assert!(titles(&server.issues("limit=1"))[0].starts_with("alpha"));
    let page = server.get("/api/v1/issues/recent?limit=3").expect(200).json();
    let first: Vec<_> = page["issues"].as_array().unwrap().clone();
    assert_eq!(titles(&first).iter().map(|title| &title[..5]).collect::<Vec<_>>(), ["delta", "gamma", "beta "]);
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = server.get(&format!("/api/v1/issues/recent?limit=3&cursor={cursor}")).expect(200).json();
    assert_eq!(titles(rest["issues"].as_array().unwrap()), ["alpha stalled"]);
    assert_eq!(rest["next_cursor"], Value::Null);
}

#[test]
fn a_short_id_is_enough_to_find_an_issue() {
    let (_place, server) = list_of_four();
    let issue = &server.issues("q=beta")[0];
    let short_id = issue["short_id"].as_str().unwrap();
    for q in [short_id, &short_id.to_lowercase()] {
        assert_eq!(server.issues(&format!("q={q}")), std::slice::from_ref(issue));
        server.get(&format!("/api/v1/issues/{q}")).expect(200);
    }
    let message = server.get("/api/v1/issues?q=servce:feed").problem(400, "invalid_field");
    assert!(message.contains("`servce`") && message.contains("`service:`"), "{message}");
}

#[test]
fn a_term_is_completed_by_keys_and_by_what_issues_have() {
    let (_place, server) = list_of_four();
    let cases: [(&str, &[&str]); 12] = [
        ("se", &["service:", "severity:", "seen:"]),
        ("service:", &["service:book", "service:feed", "service:\"my book\""]),
        ("service:f", &["service:feed"]),
        ("-service:feed,%22my", &["-service:feed,\"my book\""]),
        ("is:re", &["is:resolved", "is:regressed"]),
        ("assigned:", &["assigned:me", "assigned:none", "assigned:ada"]),
        ("tag:n", &["tag:net"]),
        ("env:", &["env:test"]),
        ("first:%3C", &["first:<1h", "first:<1d", "first:<1w"]),
        ("release:", &[]),
        ("nothing:", &[]),
        ("http:%2F%2F", &[]),
    ];
    for (term, expected) in cases {
        let answer = server.get(&format!("/api/v1/issues/complete?q={term}")).expect(200).json();
        assert_eq!(answer["completions"], json!(expected), "{term}");
    }
}
