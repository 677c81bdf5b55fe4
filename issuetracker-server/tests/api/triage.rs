//! What people do with an issue: change it, comment on it, look at its occurrences.

use super::*;

#[test]
fn a_person_changes_an_issue_and_no_occurrence_changes_it_back() {
    let place = Place::new();
    let server = place.start(&[]);
    let address = issue_of(&server, with(event("feed stalled"), &json!({"priority": "low", "tags": ["from-event"]})));
    let change = json!({"status": "in-progress", "assignee_id": "ada", "priority": "critical", "tags": ["b", "a"]});
    let changed = server.patch(&address, &change).expect(200).json();
    assert_eq!(changed, server.get(&address).expect(200).json());
    for (name, value) in change.as_object().unwrap() {
        let expected = if name == "tags" { &json!(["a", "b"]) } else { value };
        assert_eq!(&changed[name], expected, "{name}");
    }

    server.ingest(&[with(event("feed stalled"), &json!({"priority": "low", "assignee_id": "bob", "tags": ["again"]}))]);
    let after = server.get(&address).expect(200).json();
    assert_eq!(after["occurrences"], 2);
    for name in change.as_object().unwrap().keys() {
        assert_eq!(after[name], changed[name], "{name}");
    }

    assert_eq!(server.patch(&address, &json!({"assignee_id": null})).expect(200).json()["assignee_id"], Value::Null);
    assert_eq!(server.patch(&address, &json!({"status": "resolved"})).expect(200).json()["status"], "resolved");
    // It comes back: later occurrences reopen it.
    server.ingest(&[event("feed stalled")]);
    assert_eq!(server.get(&address).expect(200).json()["status"], "open");

    let page = server.get(&format!("{address}/activities")).expect(200).json();
    let history: Vec<_> =
        page["activities"].as_array().unwrap().iter().map(|activity| activity["type"].as_str().unwrap()).collect();
    let count = |kind| history.iter().filter(|found| **found == kind).count();
    let expected = [
        ("status_changed", 2),
        ("assigned", 2),
        ("priority_changed", 1),
        ("tagged", 1),
        ("regressed", 1),
        ("created", 1),
    ];
    for (kind, times) in expected {
        assert_eq!(count(kind), times, "{kind} in {history:?}");
    }
    assert_eq!(history.len(), 8, "{history:?}");
    assert_eq!(history[0], "regressed", "newest first");
    let assigned =
        page["activities"].as_array().unwrap().iter().rfind(|activity| activity["type"] == "assigned").unwrap();
    assert_eq!((&assigned["details"], &assigned["user_id"]), (&json!({"to": "ada"}), &json!("local-admin")));
}

#[test]
fn a_wrong_change_changes_nothing() {
    let place = Place::new();
    let server = place.start(&[]);
    let address = issue_of(&server, event("feed stalled"));
    let before = server.get(&address).expect(200).json();
    for (field, value) in [
        ("status", json!("done")),
        ("status", json!(1)),
        ("priority", json!("P1")),
        ("assignee_id", json!(7)),
        ("tags", json!("a")),
    ] {
        let change = with(json!({"status": "resolved"}), &json!({field: value}));
        let message = server.patch(&address, &change).problem(400, "invalid_field");
        assert!(message.starts_with(&format!("{field}: ")), "{message}");
    }
    for field in ["title", "occurrences", "assignee"] {
        let change = json!({"status": "resolved", field: "x"});
        let message = server.patch(&address, &change).problem(400, "unknown_field");
        assert!(message.contains(&format!("`{field}`")), "{message}");
    }
    assert_eq!(server.get(&address).expect(200).json(), before);
    server.patch(MISSING, &json!({"status": "resolved"})).problem(404, "not_found");
}

#[test]
fn an_entity_tag_guards_against_lost_changes_and_saves_reading_again() {
    let place = Place::new();
    let server = place.start(&[]);
    let address = issue_of(&server, event("feed stalled"));
    let old = server.get(&address).expect(200).header("etag").unwrap().to_owned();
    let unchanged = server.ask("GET", &address, &[("if-none-match", &old)], "").expect(304);
    assert_eq!((unchanged.header("etag"), unchanged.text()), (Some(&*old), String::new()));

    let change = |tag: &str, status: &str| {
        server.ask("PATCH", &address, &[("if-match", tag)], json!({"status": status}).to_string())
    };
    let changed = change(&old, "in-progress").expect(200);
    let new = changed.header("etag").unwrap().to_owned();
    assert_ne!(new, old);
    change(&old, "closed").problem(412, "conflict");
    assert_eq!(server.get(&address).expect(200).json()["status"], "in-progress");
    server.ask("GET", &address, &[("if-none-match", &old)], "").expect(200);
    server.ask("GET", &address, &[("if-none-match", &new)], "").expect(304);
    change("*", "closed").expect(200);
    change("nonsense", "open").problem(400, "invalid_if_match");

    // An occurrence is news for who reads, and no conflict for who changes: a busy issue could never be changed.
    change("*", "open").expect(200);
    let tag = server.get(&address).header("etag").unwrap().to_owned();
    server.ingest(&[event("feed stalled")]);
    server.ask("GET", &address, &[("if-none-match", &tag)], "").expect(200);
    change(&tag, "in-progress").expect(200);
}

#[test]
fn comments_are_written_and_read_in_order() {
    let place = Place::new();
    let server = place.start(&[]);
    let address = issue_of(&server, with(event("feed stalled"), &json!({"created_at": "2026-01-05T10:00:00Z"})));
    let comments = format!("{address}/comments");
    let first = server.post(&comments, r#"{"content": "First.\n<b>not bold</b>"}"#).expect(201).json();
    assert_eq!((&first["content"], &first["author_id"]), (&json!("First.\n<b>not bold</b>"), &json!("local-admin")));
    let second = server.post(&comments, r#"{"content": "Second."}"#).expect(201).json();

    let page = server.get(&comments).expect(200).json();
    let listed = page["comments"].as_array().unwrap();
    // The reporter's own comment of the day, which counts, then people's.
    assert_eq!(listed[0]["author_id"], "newsfeed-service");
    assert!(listed[0]["content"].as_str().unwrap().contains("once"), "{}", listed[0]);
    assert_eq!(listed[1..], [first, second]);
    let one = server.get(&format!("{comments}?limit=1")).expect(200).json();
    let cursor = one["next_cursor"].as_str().unwrap();
    let rest = server.get(&format!("{comments}?cursor={cursor}")).expect(200).json();
    assert_eq!(rest["comments"].as_array().unwrap()[..], listed[1..]);

    for (body, code) in [
        (r#"{"content": " "}"#, "invalid_field"),
        ("{}", "invalid_field"),
        (r#"{"content": 7}"#, "invalid_field"),
        (r#"{"content": "x", "author_id": "somebody else"}"#, "unknown_field"),
        ("content", "not_json"),
    ] {
        server.post(&comments, body).problem(400, code);
    }
    server.post(&format!("{MISSING}/comments"), r#"{"content": "x"}"#).problem(404, "not_found");
    assert_eq!(server.get(&comments).expect(200).json(), page);
    // What people wrote, without what the server counts.
    assert_eq!(server.get(&address).expect(200).json()["comments"], 2);

    // Services comment by an event; sent twice, it is one comment.
    let id = address.rsplit('/').next().unwrap();
    let comment = with(event("Seen it too."), &json!({"op": "comment", "issue_id": id}));
    let results = [&comment; 2].map(|comment| server.ingest(std::slice::from_ref(comment))[0]["status"].clone());
    assert_eq!(results, ["accepted", "duplicate"]);
    let listed = server.get(&comments).expect(200).json()["comments"].clone();
    let by_service =
        |comment: &&Value| comment["content"] == "Seen it too." && comment["author_id"] == "newsfeed-service";
    assert_eq!(listed.as_array().unwrap().iter().filter(by_service).count(), 1, "{listed:#}");
    assert_eq!(server.get(&address).expect(200).json()["occurrences"], 1);
}

#[test]
fn comments_are_edited_and_deleted_by_who_may() {
    let place = Place::new();
    let server = place.start(&[]);
    let address = issue_of(&server, event("feed stalled"));
    let comments = format!("{address}/comments");
    let written = server.post(&comments, r#"{"content": "Frist."}"#).expect(201).json();
    let one = format!("{comments}/{}", written["id"].as_str().unwrap());
    let edited = server.patch(&one, &json!({"content": "**First.**"})).expect(200).json();
    assert_eq!((&edited["content"], &edited["created_at"]), (&json!("**First.**"), &written["created_at"]));
    assert!(edited["edited_at"].is_string());
    assert_eq!(server.get(&comments).expect(200).json()["comments"][1], edited);
    server.patch(&one, &json!({"content": " "})).problem(400, "invalid_field");
    server.patch(&one, &json!({"author_id": "me"})).problem(400, "unknown_field");

    // What a service counts is nobody's, not even an ADMIN's.
    let counted = server.get(&comments).expect(200).json()["comments"][0]["id"].as_str().unwrap().to_owned();
    server.patch(&format!("{comments}/{counted}"), &json!({"content": "x"})).problem(403, "not_yours");
    server.ask("DELETE", &format!("{comments}/{counted}"), &[], "").problem(403, "not_yours");

    // The page does the same with a form.
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let page = one.replace("/api/v1", "");
    server.ask("POST", &page, &form, "action=edit&content=By+form.").expect(303);
    let shown = server.get(&address.replace("/api/v1", "")).expect(200).text();
    assert!(shown.contains("<p>By form.</p>") && shown.contains("edited"), "{shown}");
    server.ask("POST", &page, &form, "action=praise").expect(400);
    server.ask("DELETE", &one, &[], "").expect(204);
    server.ask("DELETE", &one, &[], "").problem(404, "not_found");
    server.patch(&one, &json!({"content": "x"})).problem(404, "not_found");
    assert_eq!(server.get(&address).expect(200).json()["comments"], 0);
    let shown = server.get(&address.replace("/api/v1", "")).expect(200).text();
    assert!(shown.contains("wrote a comment that local-admin deleted"), "{shown}");
}

#[test]
fn occurrences_keep_what_helps_to_solve_the_problem() {
    let place = Place::new();
    let server = place.start(&[]);
    let details = json!({
        "error": [{"kind": "RefreshError", "message": "refresh failed"}, {"kind": "io::Error", "message": "refused"}],
        "spans": [{"name": "poll", "target": "feed", "fields": {"round": 7}}],
        "context": {"attempt": 3, "nested": {"deep": [1, 2]}}, "location": {"module": "m", "file": "f.rs", "line": 4},
        "host": "h", "pid": 9, "thread": "main", "release": "1.2.3", "environment": "test", "occurrences": 5,
        "breadcrumbs": [{"at": "2026-01-05T09:59:59Z", "level": "INFO", "message": "polling"}],
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "dropped_before": {"queue_full": 2},
    });
    let times = |minute| json!({"created_at": format!("2026-01-05T10:0{minute}:00Z")});
    let old = with(with(event("feed stalled"), &details), &times(1));
    let new = with(with(event("feed stalled"), &details), &times(2));
    let address = issue_of(&server, new.clone());
    issue_of(&server, old.clone());

    let page = server.get(&format!("{address}/occurrences")).expect(200).json();
    let found = page["occurrences"].as_array().unwrap();
    let ids: Vec<_> = found.iter().map(|occurrence| &occurrence["id"]).collect();
    assert_eq!(ids, [&new["event_id"], &old["event_id"]], "newest first, by their own time");
    assert!(found.iter().all(|occurrence| occurrence["type"] == "occurrence"));
    for (name, value) in details.as_object().unwrap() {
        assert_eq!(&found[0]["details"][name], value, "{name}");
    }
    let one = server.get(&format!("{address}/occurrences?limit=1")).expect(200).json();
    let cursor = one["next_cursor"].as_str().unwrap();
    let rest = server.get(&format!("{address}/occurrences?limit=1&cursor={cursor}")).expect(200).json();
    assert_eq!(rest["occurrences"], json!([found[1]]));
    assert_eq!(rest["next_cursor"], Value::Null);
    let issue = server.get(&address).expect(200).json();
    assert_eq!((&issue["occurrences"], &issue["first_seen"]), (&json!(10), &json!("2026-01-05T10:01:00Z")));
    assert_eq!(server.metric("issuetracker_publisher_dropped_total", &["service=\"newsfeed\"", "queue_full"]), 4.0);
}

#[test]
fn a_mute_is_asked_for_in_three_ways_and_told() {
    let place = Place::new();
    let server = place.start(&[]);
    let address = issue_of(&server, event("feed stalled"));
    server.patch(&address, &json!({"status": "resolved", "mute": "forever"})).expect(200);
    server.ingest(&[event("feed stalled")]);
    let issue = server.get(&address).expect(200).json();
    assert_eq!((&issue["status"], &issue["occurrences"]), (&json!("resolved"), &json!(2)));
    assert_eq!((&issue["mute"]["forever"], &issue["muted_until"]), (&json!(true), &Value::Null));
    let until = json!({"until": "2030-01-31T12:00:00Z"});
    let issue = server.patch(&address, &json!({"mute": until})).expect(200).json();
    assert_eq!((&issue["mute"]["until"], &issue["muted_until"]), (&until["until"], &until["until"]));
    assert!(server.get(&address.replace("/api/v1", "")).expect(200).text().contains("Muted until"));
    let rate = server.patch(&address, &json!({"mute": {"count": 100, "per": "hour"}})).expect(200).json();
    assert_eq!((&rate["mute"]["count"], &rate["mute"]["per"]), (&json!(100), &json!("hour")));
    let heard = server.patch(&address, &json!({"mute": null})).expect(200).json();
    assert_eq!(heard["mute"], Value::Null);
    for wrong in [json!("never"), json!(7), json!({"until": "soon"}), json!({"count": 0, "per": "hour"}), json!([])] {
        let said = server.ask("PATCH", &address, &[], json!({"mute": wrong}).to_string()).problem(400, "invalid_field");
        assert!(said.contains("mute"), "{said}");
    }
}

#[test]
fn a_merged_issue_is_found_under_both_ids() {
    let place = Place::new();
    let server = place.start(&[]);
    let (from, into) = (issue_of(&server, event("feed stalled")), issue_of(&server, event("order refused")));
    let id = |address: &str| address.rsplit('/').next().unwrap().to_owned();
    let body = json!({"into": id(&into)}).to_string();
    let merged = server.post(&format!("{from}/merge"), &body).expect(200).json();
    assert_eq!((&merged["id"], &merged["occurrences"]), (&json!(id(&into)), &json!(2)));
    server.ingest(&[event("feed stalled")]);
    assert_eq!(server.get(&from).expect(200).json()["occurrences"], 3);
    let page = server.get(&format!("/issues/{}", id(&from)));
    assert_eq!((page.status, page.header("location")), (303, Some(format!("/issues/{}", id(&into)).as_str())));
    assert_eq!(server.issues("").len(), 1);

    for (address, body, status, code) in [
        (&into, body.as_str(), 400, "invalid_field"),
        (&into, "{}", 400, "invalid_field"),
        (&into, r#"{"into": "no such id"}"#, 400, "invalid_field"),
        (&into, r#"{"into": "01a2b3c4d5e6f789"}"#, 404, "not_found"),
        (&into, r#"{"onto": "01a2b3c4d5e6f789"}"#, 400, "unknown_field"),
    ] {
        server.post(&format!("{address}/merge"), body).problem(status, code);
    }
}

#[test]
fn a_merge_by_link_or_short_id_is_undone() {
    let place = Place::new();
    let server = place.start(&[]);
    let (from, into) = (issue_of(&server, event("feed stalled")), issue_of(&server, event("order refused")));
    let issue = |address: &str| server.get(address).expect(200).json();
    let (stalled, refused) = (issue(&from), issue(&into));
    for link in [
        refused["short_id"].as_str().unwrap(),
        &format!("http://{}/issues/{}?x=y#z", server.address, into.rsplit('/').next().unwrap()),
    ] {
        let merged = server.post(&format!("{from}/merge"), json!({"into": link}).to_string()).expect(200).json();
        assert_eq!((&merged["id"], &merged["occurrences"]), (&refused["id"], &json!(2)), "{link}");
        let parts = merged["parts"].as_array().unwrap();
        assert_eq!((parts.len(), &parts[0]["id"], &parts[1]["id"]), (2, &refused["id"], &stalled["id"]));
        let undone =
            server.post(&format!("{into}/split"), json!({"parts": [stalled["id"]]}).to_string()).expect(200).json();
        assert_eq!((&undone["issue"]["id"], &undone["issues"][0]["id"]), (&refused["id"], &stalled["id"]));
        for (address, before) in [(&from, &stalled), (&into, &refused)] {
            let mut after = issue(address);
            after["updated_at"] = before["updated_at"].clone();
            assert_eq!(after, *before);
        }
    }
    for (body, code) in [
        (json!({"parts": []}), "invalid_field"),
        (json!({"parts": ["../x"]}), "invalid_field"),
        (json!({"parts": [stalled["id"]]}), "invalid_field"),
        (json!({"part": "x"}), "unknown_field"),
    ] {
        server.post(&format!("{into}/split"), body.to_string()).problem(400, code);
    }
    server.post(&format!("{MISSING}/split"), json!({"parts": ["x"]}).to_string()).problem(404, "not_found");
}

#[test]
fn an_issue_is_resolved_in_the_next_release() {
    let place = Place::new();
    let server = place.start(&[]);
    let of = |release: &str| with(event("feed stalled"), &json!({"release": release}));
    let address = issue_of(&server, of("1.0"));
    server.ingest(&[of("1.1")]);
    let said = server.ask("PATCH", &address, &[], json!({"status": "closed", "in_next_release": true}).to_string());
    said.problem(400, "invalid_field");
    let resolved = server.patch(&address, &json!({"in_next_release": true})).expect(200).json();
    assert_eq!((&resolved["status"], &resolved["old_releases"]), (&json!("resolved"), &json!(["1.0", "1.1"])));
    server.ingest(&[of("1.1")]);
    assert_eq!(server.get(&address).expect(200).json()["status"], "resolved");
    server.ingest(&[of("1.2")]);
    assert_eq!(server.get(&address).expect(200).json()["status"], "open");

    // Without a release there is no next one; and the page has a button for it.
    let without = issue_of(&server, event("order refused"));
    server.patch(&without, &json!({"in_next_release": true})).problem(400, "invalid_field");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    server.ask("POST", &address.replace("/api/v1", ""), &form, "status=resolved-in-next-release").expect(303);
    assert_eq!(server.get(&address).expect(200).json()["old_releases"], json!(["1.0", "1.1", "1.2"]));
}

#[test]
fn each_occurrence_has_an_address_and_the_issue_can_be_taken_away() {
    let place = Place::new();
    let server = place.start(&[]);
    let details = json!({
        "error": [{"kind": "io::Error", "message": "refused ```"}], "context": {"order": 17}, "trace_id": "t1",
        "tags": ["region:eu"], "release": "1.0",
    });
    let events: Vec<Value> = (1..=3)
        .map(|minute| {
            with(with(event("feed stalled"), &details), &json!({"created_at": format!("2026-01-05T10:0{minute}:00Z")}))
        })
        .collect();
    let addresses: Vec<String> = events.iter().map(|event| issue_of(&server, event.clone())).collect();
    let address = &addresses[0];
    let other = issue_of(&server, with(event("order refused"), &json!({"trace_id": "t1"})));
    let at = |which: &str| server.get(&format!("{address}/occurrences/{which}")).expect(200).json();
    let middle = at(events[1]["event_id"].as_str().unwrap());
    assert_eq!((&middle["older"], &middle["newer"]), (&events[0]["event_id"], &events[2]["event_id"]));
    assert_eq!(middle["occurrence"]["details"]["tags"], json!(["region:eu"]));
    assert_eq!((&at("first")["occurrence"]["id"], &at("first")["older"]), (&events[0]["event_id"], &Value::Null));
    assert_eq!((&at("latest")["occurrence"]["id"], &at("latest")["newer"]), (&events[2]["event_id"], &Value::Null));
    server.get(&format!("{address}/occurrences/{}", Uuid::now_v7())).problem(404, "not_found");
    server.get(&format!("{MISSING}/occurrences/latest")).problem(404, "not_found");

    let page = address.replace("/api/v1", "");
    let shown =
        server.get(&format!("{page}/occurrences/{}", events[1]["event_id"].as_str().unwrap())).expect(200).text();
    for text in ["2026-01-05T10:02:00Z", "Permalink", &other.replace("/api/v1", ""), "/occurrences/first"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    server.get(&format!("{page}/occurrences/nothing")).expect(404);
    let issue = server.get(address).expect(200).json();
    let short_id = issue["short_id"].as_str().unwrap();
    let whole = server.get(&format!("/issues/{short_id}.json")).expect(200).json();
    assert_eq!((&whole["issue"], &whole["latest_occurrence"]["id"]), (&issue, &events[2]["event_id"]));
    assert_eq!(whole["comments"].as_array().unwrap().len(), 1);
    let markdown = server.get(&format!("{page}.md")).expect(200);
    assert_eq!(markdown.header("content-type"), Some("text/markdown; charset=utf-8"));
    let text = markdown.text();
    assert!(text.starts_with(&format!("# {short_id} feed stalled\n")), "{text}");
    assert!(text.contains("\n````text\nio::Error: refused ```\n````\n") && text.contains("order = 17"), "{text}");
    server.get("/issues/nothing-here.json").expect(404);
}
