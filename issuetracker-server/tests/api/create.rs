//! New issues, written by programs for people.

use super::*;

#[test]
fn a_new_issue_has_its_final_id_at_once() {
    let place = Place::new();
    let server = place.start(&[]);
    let new = json!({
        "title": "  Prices are stale\nafter a restart ", "description": "Since **Monday**.", "type": "feature",
        "priority": "high", "severity": "warning", "reporter_id": "ops-service", "assignee_id": "ada",
        "tags": ["team:data", "ui", "ui"], "component": "pricing", "service": "quotes", "source": "cli",
        "context": {"ticket": 17},
    });
    let answer = server.post("/api/v1/issues", new.to_string()).expect(202);
    let accepted = answer.json();
    let id = accepted["id"].as_str().unwrap();
    assert_eq!(accepted["url"], format!("/issues/{id}"));
    let address = format!("/api/v1/issues/{id}");
    assert_eq!(answer.header("location"), Some(&*address));

    let issue = server.get(&address).expect(200).json();
    let expected = json!({
        "id": id, "title": "Prices are stale after a restart", "description": "Since **Monday**.", "type": "feature",
        "priority": "high", "severity": "warning", "status": "open", "reporter_id": "ops-service",
        "assignee_id": "ada", "tags": ["team:data", "ui"], "component": "pricing", "service": "quotes",
        "source": "cli", "occurrences": 0, "fingerprint": null,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&issue[name], value, "{name}");
    }
    // The same text again is another issue: people decide what is the same.
    let second = server.post("/api/v1/issues", new.to_string()).expect(202).json();
    assert_ne!(second["id"], accepted["id"]);

    let least = server.post("/api/v1/issues", r#"{"title": "Least"}"#).expect(202).json();
    let least = server.get(&format!("/api/v1/issues/{}", least["id"].as_str().unwrap())).expect(200).json();
    assert_eq!(
        [&least["type"], &least["priority"], &least["severity"], &least["source"], &least["reporter_id"]],
        ["bug", "medium", "error", "api", "local-admin"]
    );
    server.get(&format!("/issues/{id}")).expect(200);
}

#[test]
fn each_wrong_field_of_a_new_issue_is_named() {
    let place = Place::new();
    let server = place.start(&[]);
    let long = "x".repeat(301);
    let huge = "x".repeat(64 * 1024 + 1);
    let wrong = [
        ("title", json!(7)),
        ("title", json!(" \n")),
        ("title", json!(null)),
        ("title", json!(long)),
        ("description", json!(["a"])),
        ("description", json!(huge)),
        ("type", json!("epic")),
        ("priority", json!("urgent")),
        ("severity", json!(3)),
        ("reporter_id", json!(7)),
        ("assignee_id", json!(["ada"])),
        ("tags", json!("a,b")),
        ("tags", json!(["a", 1])),
        ("component", json!({})),
        ("service", json!(true)),
        ("context", json!("text")),
        ("source", json!("moon")),
    ];
    for (field, value) in &wrong {
        let new = with(json!({"title": "T"}), &json!({(*field): value}));
        let answer = server.post("/api/v1/issues", new.to_string());
        let message = answer.problem(400, "invalid_field");
        assert!(message.starts_with(&format!("{field}: ")), "{field} = {value:.40}: {message}");
        assert_eq!(answer.json()["error"]["fields"][0]["field"], *field, "{field} = {value:.40}");
    }
    let both = server.post("/api/v1/issues", r#"{"title": "T", "type": "epic", "tags": 1}"#);
    let message = both.problem(400, "invalid_field");
    assert!(message.contains("type: ") && message.contains("tags: "), "all at once: {message}");

    server.post("/api/v1/issues", "{}").problem(400, "invalid_field");
    server.post("/api/v1/issues", "").problem(400, "not_json");
    server.post("/api/v1/issues", "[]").problem(400, "not_an_object");
    let broken = server.post("/api/v1/issues", "{\n\"title\": }").problem(400, "not_json");
    assert!(broken.contains("line 2"), "{broken}");
    assert_eq!(server.issues(""), [] as [Value; 0]);
}

#[test]
fn an_issue_has_every_field_of_the_contract() {
    let place = Place::new();
    let server = place.start(&[]);
    let address = issue_of(
        &server,
        with(event("feed stalled"), &json!({"component": "feed", "severity": "critical", "tags": ["a", "k:v"]})),
    );
    let page = server.get("/api/v1/issues").expect(200).json();
    assert_eq!(page.as_object().unwrap().keys().collect::<Vec<_>>(), ["issues", "next_cursor"]);
    assert_eq!(page["next_cursor"], Value::Null);
    let issue = &page["issues"][0];
    assert_eq!(*issue, server.get(&address).expect(200).json());

    let texts = ["id", "title", "description", "type", "priority", "status", "severity", "service", "component"];
    for name in texts.iter().chain(&["reporter_id", "fingerprint"]) {
        assert!(issue[name].is_string(), "{name}: {issue}");
    }
    assert_eq!(issue.get("assignee_id"), Some(&Value::Null));
    assert_eq!((&issue["tags"], &issue["occurrences"]), (&json!(["a", "k:v"]), &json!(1)));
    assert_eq!(issue["fingerprint"].as_str().unwrap().len(), 64);
    for name in ["first_seen", "last_seen", "created_at", "updated_at"] {
        let time = issue[name].as_str().unwrap();
        assert!(time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok(), "{name}: {time}");
    }
}

#[test]
fn a_request_with_a_key_makes_one_issue_and_one_comment() {
    let place = Place::new();
    let server = place.start(&[]);
    let send =
        |path: &str, key: &str, body: &Value| server.ask("POST", path, &[("idempotency-key", key)], body.to_string());
    let task = json!({"title": "Rotate the key", "type": "task"});
    let first = send("/api/v1/issues", "a1", &task).expect(202).json();
    server.kill();
    let server = place.start(&[]);
    let send =
        |path: &str, key: &str, body: &Value| server.ask("POST", path, &[("idempotency-key", key)], body.to_string());
    assert_eq!(send("/api/v1/issues", "a1", &task).expect(202).json(), first, "the same answer");
    assert_ne!(send("/api/v1/issues", "a2", &task).expect(202).json()["id"], first["id"]);
    assert_eq!(server.issues("").len(), 2);
    let other = json!({"title": "Rotate another key", "type": "task"});
    send("/api/v1/issues", "a1", &other).problem(422, "idempotency_key_reused");
    // What was refused has used up no key.
    send("/api/v1/issues", "a3", &json!({"title": ""})).problem(400, "invalid_field");
    send("/api/v1/issues", "a3", &task).expect(202);
    for key in ["", "ä", &"x".repeat(256)] {
        send("/api/v1/issues", key, &task).problem(400, "invalid_idempotency_key");
    }

    let comments = format!("/api/v1/issues/{}/comments", first["id"].as_str().unwrap());
    let text = json!({"content": "done"});
    let comment = send(&comments, "a1", &text).expect(201).json();
    assert_eq!(send(&comments, "a1", &text).expect(201).json()["id"], comment["id"]);
    send(&comments, "a1", &json!({"content": "not done"})).problem(422, "idempotency_key_reused");
    assert_eq!(server.get(&comments).expect(200).json()["comments"].as_array().unwrap().len(), 1);
}
