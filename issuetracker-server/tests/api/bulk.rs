//! Many issues at once: by the API with a result for each, and by the list's form, which can be undone.

use super::*;

fn three(server: &Server) -> Vec<String> {
    let results = server.ingest(&[event("alpha"), event("beta"), event("gamma")]);
    results.iter().map(|result| result["issue_id"].as_str().unwrap().to_owned()).collect()
}

fn issue(server: &Server, id: &str) -> Value {
    server.get(&format!("/api/v1/issues/{id}")).expect(200).json()
}

#[test]
fn each_id_has_its_own_result() {
    let place = Place::new();
    let server = place.start(&[]);
    let ids = three(&server);
    let short_id = issue(&server, &ids[1])["short_id"].as_str().unwrap().to_lowercase();
    let body = json!({"ids": [ids[0], "nowhere", short_id, "no id"], "status": "resolved", "assignee_id": "ada"});
    let answer = server.post("/api/v1/issues/bulk", body.to_string()).expect(200).json();
    assert_eq!((&answer["changed"], &answer["failed"]), (&json!(2), &json!(2)));
    let statuses: Vec<_> = answer["results"].as_array().unwrap().iter().map(|one| one["status"].clone()).collect();
    assert_eq!(statuses, [200, 404, 200, 404]);
    assert_eq!(answer["results"][0]["issue"]["status"], "resolved");
    assert_eq!(answer["results"][1]["error"]["code"], "not_found");
    assert_eq!(answer["results"][2]["id"], json!(short_id));
    assert_eq!(
        (&issue(&server, &ids[1])["assignee_id"], &issue(&server, &ids[2])["status"]),
        (&json!("ada"), &json!("open"))
    );
}

#[test]
fn what_cannot_be_meant_changes_nothing() {
    let place = Place::new();
    let server = place.start(&[]);
    let ids = three(&server);
    for (body, code) in [
        (json!({"status": "resolved"}), "invalid_field"),
        (json!({"ids": [], "status": "resolved"}), "invalid_field"),
        (json!({"ids": vec!["a"; 101], "status": "resolved"}), "invalid_field"),
        (json!({"ids": ids}), "invalid_field"),
        (json!({"ids": ids, "status": "done"}), "invalid_field"),
        (json!({"ids": ids, "assignee_id": "a\nb"}), "invalid_field"),
        (json!({"ids": ids, "stat": "resolved"}), "unknown_field"),
    ] {
        server.post("/api/v1/issues/bulk", body.to_string()).problem(400, code);
    }
    assert!(ids.iter().all(|id| issue(&server, id)["status"] == "open"));
}
