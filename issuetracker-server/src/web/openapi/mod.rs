//! The OpenAPI document and the page that shows it: both are made from one table of operations (`operations`) and the shapes
//! that they name (`schemas`). That the table is the router's is a test of `tests/api/documented.rs`.

mod operations;
mod schemas;

use std::sync::LazyLock;

use axum::{Json, extract::State};
use serde::Serialize;
use serde_json::{Map, Value, json};

use self::operations::{Body, OPERATIONS, Operation, Parameter};
use super::{
    WebState,
    pages::Shown,
    require::{Require, permission},
};
use crate::domain::Role;

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// `GET /openapi.json`
pub(crate) async fn show(_: Require<permission::Read>) -> Json<&'static Value> {
    Json(&DOCUMENT)
}

#[derive(Serialize)]
struct DocsView {
    groups: Vec<GroupView>,
    schemas: Vec<SchemaView>,
}

#[derive(Serialize)]
struct GroupView {
    name: &'static str,
    operations: Vec<OperationView>,
}

#[derive(Serialize)]
struct OperationView {
    id: String,
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    roles: String,
    parameters: Vec<ParameterView>,
    body: String,
    /// The schema that it links to.
    body_schema: &'static str,
    answers: Vec<AnswerView>,
}

#[derive(Serialize)]
struct ParameterView {
    name: String,
    place: &'static str,
    text: String,
}

#[derive(Serialize)]
struct AnswerView {
    status: u16,
    text: &'static str,
    schema: &'static str,
}

#[derive(Serialize)]
struct SchemaView {
    name: String,
    json: String,
}

/// `GET /docs`: the same for people.
pub(crate) async fn docs(State(state): State<WebState>, Require(principal, ..): Require<permission::Read>) -> Shown {
    let mut groups: Vec<GroupView> = Vec::new();
    for operation in OPERATIONS {
        let view = view(operation);
        match groups.iter_mut().find(|group| group.name == operation.group) {
            Some(group) => group.operations.push(view),
            None => groups.push(GroupView { name: operation.group, operations: vec![view] }),
        }
    }
    let pretty = |schema: &Value| serde_json::to_string_pretty(schema).unwrap_or_default();
    let schemas = schemas::all().into_iter().map(|(name, schema)| SchemaView { json: pretty(&schema), name }).collect();
    super::pages::show(&state, &principal, "docs.html", "API", "docs", &DocsView { groups, schemas })
}

fn view(operation: &Operation) -> OperationView {
    let in_path = operation.path_parameters().map(|(name, text)| ParameterView {
        name: name.to_owned(),
        place: "path",
        text: text.to_owned(),
    });
    let in_query = operation.query.iter().copied().flatten().map(|parameter| ParameterView {
        name: parameter.name.to_owned(),
        place: "query",
        text: parameter.text.to_owned(),
    });
    let (body, body_schema) = match operation.body {
        None => (String::new(), ""),
        Some(Body::Json(schema)) => ("A JSON object".to_owned(), schema),
        Some(Body::Lines(schema)) => ("JSON objects, one a line".to_owned(), schema),
    };
    OperationView {
        id: operation.id(),
        method: operation.method,
        path: operation.path,
        summary: operation.summary,
        roles: roles(operation).join(", "),
        parameters: in_path.chain(in_query).collect(),
        body,
        body_schema,
        answers: operation
            .answers
            .iter()
            .map(|(status, text, schema)| AnswerView { status: *status, text, schema })
            .collect(),
    }
}

/// The roles that may.
fn roles(operation: &Operation) -> Vec<&'static str> {
    Role::ALL.into_iter().filter(|role| role.may(operation.permission)).map(Role::as_str).collect()
}

fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method.to_lowercase()] = describe(operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "issuetracker",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Errors of Rust services, tasks and features: read, changed, reported. Without login everybody \
                            on this machine is ADMIN; with it, people have a session and services a key.",
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas::all().into_iter().collect::<Map<_, _>>(),
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": "__Host-issuetracker"},
                "key": {"type": "http", "scheme": "bearer", "description": "The key of a service, itk_…"},
            },
        },
    })
}

fn describe(operation: &Operation) -> Value {
    let in_path = operation.path_parameters().map(|(name, text)| {
        json!({"name": name, "in": "path", "required": true, "description": text, "schema": {"type": "string"}})
    });
    let in_query = operation.query.iter().copied().flatten().map(|Parameter { name, text, schema }| {
        json!({"name": name, "in": "query", "description": text, "schema": schemas::parameter(*schema)})
    });
    let roles = roles(operation);
    let mut security = vec![json!({"session": []})];
    if roles.contains(&Role::Service.as_str()) {
        security.push(json!({"key": []}));
    }
    let mut described = json!({
        "operationId": operation.id(),
        "tags": [operation.group],
        "summary": operation.summary,
        "parameters": in_path.chain(in_query).collect::<Vec<_>>(),
        "responses": answers(operation),
        "security": security,
        "x-roles": roles,
    });
    match operation.body {
        Some(Body::Json(schema)) => {
            described["requestBody"] =
                json!({"required": true, "content": {"application/json": {"schema": schemas::named(schema)}}});
        }
        Some(Body::Lines(schema)) => {
            described["requestBody"] = json!({
                "required": true,
                "description": "One object a line; a single object may have several lines.",
                "content": {"application/x-ndjson": {"schema": schemas::named(schema)}},
            });
        }
        None => (),
    }
    described
}

fn answers(operation: &Operation) -> Value {
    let mut answers = Map::new();
    for (status, text, schema) in operation.answers {
        let content = match *schema {
            "" => json!({"description": text}),
            "stream" => json!({"description": text, "content": {"text/event-stream": {"schema": {"type": "string"}}}}),
            schema => json!({"description": text, "content": {"application/json": {"schema": schemas::named(schema)}}}),
        };
        answers.insert(status.to_string(), content);
    }
    for (status, text) in operation.problems() {
        answers.entry(status.to_string()).or_insert_with(
            || json!({"description": text, "content": {"application/json": {"schema": schemas::named("Problem")}}}),
        );
    }
    Value::Object(answers)
}
