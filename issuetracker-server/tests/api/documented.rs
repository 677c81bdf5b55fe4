//! The OpenAPI document is that of the router: every route is in it and nothing else, with the roles that the test of roles
//! has tried, and what the server answers has the shape that it names.

use std::collections::BTreeSet;

use super::{roles::rows, *};

#[test]
fn every_route_is_in_the_document_and_nothing_else() {
    let place = Place::new();
    let document = place.start(&[]).get("/openapi.json").expect(200).json();
    let paths = document["paths"].as_object().unwrap();
    let documented: BTreeSet<(String, String, Vec<String>)> = paths
        .iter()
        .flat_map(|(path, methods)| methods.as_object().unwrap().iter().map(move |(method, of)| (path, method, of)))
        .map(|(path, method, of)| {
            let mut roles: Vec<String> =
                of["x-roles"].as_array().unwrap().iter().map(|role| role.as_str().unwrap().to_owned()).collect();
            roles.sort();
            (method.to_uppercase(), path.clone(), roles)
        })
        .collect();
    let routed: BTreeSet<_> = rows().filter(|(_, path, _)| path.starts_with("/api/v1/")).collect();
    assert_eq!(documented.difference(&routed).collect::<Vec<_>>(), [] as [&(String, String, Vec<String>); 0]);
    assert_eq!(routed.difference(&documented).collect::<Vec<_>>(), [] as [&(String, String, Vec<String>); 0]);
    let ids: BTreeSet<&str> = paths
        .values()
        .flat_map(|methods| methods.as_object().unwrap().values())
        .map(|of| of["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), documented.len(), "an id twice");
}

/// What is wrong with a value, by the keywords that our schemas use.
fn wrong(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        let schema = &document["components"]["schemas"][name];
        assert!(schema.is_object(), "{at}: there is no schema {name}");
        return wrong(document, schema, value, at);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(some) => some.iter().map(|one| one.as_str().unwrap()).collect(),
        _ => vec![kind],
    };
    let mut found = Vec::new();
    if !kinds.contains(&kind) {
        found.push(format!("{at}: {value} is no {kinds:?}"));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        found.push(format!("{at}: {value} is none of {words:?}"));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            found.push(format!("{at}: {name} is missing"));
        }
    }
    for (name, of) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(name) {
            found.extend(wrong(document, of, value, &format!("{at}.{name}")));
        }
    }
    for (nth, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(wrong(document, &schema["items"], item, &format!("{at}[{nth}]")));
    }
    // A field that nobody has documented.
    if let (Some(properties), Some(fields)) = (schema["properties"].as_object(), value.as_object()) {
        found.extend(
            fields
                .keys()
                .filter(|name| !properties.contains_key(*name))
                .map(|name| format!("{at}.{name}: not documented")),
        );
    }
    found
}

#[test]
fn answers_have_the_shapes_that_are_documented() {
    let place = Place::new();
    let server = place.start(&[]);
    let document = server.get("/openapi.json").expect(200).json();
    let results = server.ingest(&[event("feed stalled"), event("quote refused")]);
    let id = results[0]["issue_id"].as_str().unwrap();
    let comments = format!("/api/v1/issues/{id}/comments");
    let comment = server.post(&comments, r#"{"content": "why"}"#).expect(201).json();
    let comment = format!("{comments}/{}", comment["id"].as_str().unwrap());
    let ids = json!({"ids": [id, "nobody"], "status": "closed"}).to_string();
    let asked: [(&str, &str, String, String, u16); 19] = [
        ("GET", "/api/v1/issues", "/api/v1/issues".into(), String::new(), 200),
        ("POST", "/api/v1/issues", "/api/v1/issues".into(), r#"{"title": "t"}"#.into(), 202),
        ("POST", "/api/v1/issues", "/api/v1/issues".into(), "{}".into(), 400),
        ("GET", "/api/v1/issues/recent", "/api/v1/issues/recent".into(), String::new(), 200),
        ("GET", "/api/v1/issues/complete", "/api/v1/issues/complete?q=is:o".into(), String::new(), 200),
        ("POST", "/api/v1/issues/bulk", "/api/v1/issues/bulk".into(), ids, 200),
        ("GET", "/api/v1/issues/{id}", format!("/api/v1/issues/{id}"), String::new(), 200),
        ("GET", "/api/v1/issues/{id}", "/api/v1/issues/nobody".into(), String::new(), 404),
        (
            "PATCH",
            "/api/v1/issues/{id}",
            format!("/api/v1/issues/{id}"),
            r#"{"priority": "high", "mute": "forever"}"#.into(),
            200,
        ),
        ("GET", "/api/v1/issues/{id}/occurrences", format!("/api/v1/issues/{id}/occurrences"), String::new(), 200),
        (
            "GET",
            "/api/v1/issues/{id}/occurrences/{event}",
            format!("/api/v1/issues/{id}/occurrences/latest"),
            String::new(),
            200,
        ),
        ("GET", "/api/v1/issues/{id}/activities", format!("/api/v1/issues/{id}/activities"), String::new(), 200),
        ("GET", "/api/v1/issues/{id}/comments", comments, String::new(), 200),
        ("PATCH", "/api/v1/issues/{id}/comments/{comment}", comment, r#"{"content": "because"}"#.into(), 200),
        ("POST", "/api/v1/events", "/api/v1/events".into(), "{}\n{\"title\": \"x\"}".into(), 200),
        ("GET", "/api/v1/stats", "/api/v1/stats".into(), String::new(), 200),
        ("GET", "/api/v1/dead-letters", "/api/v1/dead-letters".into(), String::new(), 200),
        ("GET", "/api/v1/me", "/api/v1/me".into(), String::new(), 200),
        ("GET", "/api/v1/audit", "/api/v1/audit".into(), String::new(), 200),
    ];
    for (method, path, address, body, status) in asked {
        let answer = server.ask(method, &address, &[("content-type", "application/json")], body).expect(status).json();
        let described = &document["paths"][path][method.to_lowercase()]["responses"][status.to_string()];
        let schema = &described["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{method} {path} says nothing of {status}");
        assert_eq!(wrong(&document, schema, &answer, &format!("{method} {path}")), [""; 0]);
    }
    let broken = json!({"issues": [{"id": 7}], "more": 1});
    let schema =
        &document["paths"]["/api/v1/issues"]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
    assert!(wrong(&document, schema, &broken, "").len() > 10, "the check finds nothing");
}
