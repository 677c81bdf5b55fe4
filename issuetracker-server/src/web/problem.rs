//! Answers that say no: one type, one message for people and one for us. The body is written by
//! [`observe`](super::observe), which knows the request's id and whether a program or a browser asks.

use std::time::Duration;

use axum::{
    extract::rejection::{BytesRejection, FormRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::json;

use crate::{
    auth::{KeyError, UserError},
    dead_letters::DeadLettersError,
    domain::IssueId,
    intake::IntakeError,
    notifications::RuleError,
    store::StoreError,
    triage::{InvalidField, TriageError, invalid},
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a request was not served.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    /// For people; never an internal text.
    pub(crate) message: String,
    /// What to do next, where that is known.
    pub(crate) hint: &'static str,
    /// After how many seconds, likewise.
    pub(crate) retry_after: Option<u32>,
    pub(crate) fields: Vec<InvalidField>,
    /// For us: logged once, never sent.
    pub(crate) source: Option<BoxError>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        // What is unavailable is worth another try soon.
        let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(5);
        Self { status, code, message: message.into(), hint: "", retry_after, fields: Vec::new(), source: None }
    }

    pub(crate) fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    pub(crate) fn source(self, source: impl Into<BoxError>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    pub(crate) fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// Logs what lies behind it, for one issue of a request about many: the request itself is answered.
    pub(crate) fn log_one_of_many(&self, id: &IssueId) {
        if let Some(source) = &self.source {
            let error = &**source as &dyn std::error::Error;
            tracing::error!(error, issue_id = %id, code = self.code, "an issue among many could not be changed");
        }
    }

    /// One or more fields are wrong; the message names them.
    pub(crate) fn invalid(fields: Vec<InvalidField>) -> Self {
        let message = fields.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        Self { fields, ..Self::bad_request("invalid_field", message) }
    }

    /// Nobody is logged in, and no key is shown.
    pub(crate) fn unauthenticated() -> Self {
        let message = "Log in first; a service shows its key: `Authorization: Bearer itk_…`.";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", message)
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("There is no such {what}."))
    }

    /// The client has asked too often; after `wait` it may ask again.
    pub(crate) fn too_many_requests(wait: Duration) -> Self {
        let retry_after = u32::try_from(wait.as_secs().saturating_add(1)).ok();
        Self {
            retry_after,
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "These are too many requests.")
        }
        .hint("Wait a moment, then go on.")
    }

    pub(crate) fn internal(source: impl Into<BoxError>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong on our side.")
            .hint("The request id finds it in the server's log.")
            .source(source)
    }

    /// The body for programs.
    pub(crate) fn to_json(&self, request_id: &str) -> Vec<u8> {
        let fields: Vec<_> =
            self.fields.iter().map(|field| json!({"field": field.field, "message": field.message})).collect();
        let mut error = json!({"code": self.code, "message": self.message, "request_id": request_id});
        if !fields.is_empty() {
            error["fields"] = fields.into();
        }
        json!({ "error": error }).to_string().into_bytes()
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::not_found("issue"),
            StoreError::Conflict => {
                Self::new(StatusCode::PRECONDITION_FAILED, "conflict", "Somebody else changed this issue meanwhile.")
                    .hint("Read it again, then repeat your change.")
            }
            StoreError::Unavailable(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "store_unavailable",
                "Issues cannot be read or changed right now.",
            )
            .hint("Nothing is lost. Try again in a moment; /readyz tells when the store is back.")
            .source(error),
            StoreError::Corrupt { .. } | StoreError::Refused(_) => Self::internal(error),
        }
    }
}

impl From<UserError> for Problem {
    fn from(error: UserError) -> Self {
        match error {
            UserError::NotFound => Self::not_found("user"),
            UserError::Service => Self::new(StatusCode::CONFLICT, "service_role", "A service keeps its role.")
                .hint("Deactivate it, or revoke its keys."),
            UserError::LastAdmin => Self::new(StatusCode::CONFLICT, "last_admin", "This is the last active ADMIN.")
                .hint("Make somebody else ADMIN first."),
            UserError::Store(error) => error.into(),
        }
    }
}

impl From<RuleError> for Problem {
    fn from(error: RuleError) -> Self {
        match error {
            RuleError::Invalid(wrong) => Self::invalid(wrong),
            RuleError::TooMany => Self::new(StatusCode::CONFLICT, "too_many_rules", format!("{error}: delete some.")),
            RuleError::NotFound => Self::not_found("rule"),
            RuleError::Conflict => StoreError::Conflict.into(),
            RuleError::Store(error) => error.into(),
        }
    }
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        let wrong = |field, error: &KeyError| Self::invalid(vec![invalid(field, &error.to_string())]);
        match error {
            KeyError::Service => wrong("service", &error),
            KeyError::Expiry => wrong("expires_at", &error),
            KeyError::NotFound => Self::not_found("key"),
            KeyError::Store(error) => error.into(),
        }
    }
}

impl From<IntakeError> for Problem {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::Store(error) => error.into(),
            IntakeError::Kafka(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "kafka_unavailable",
                "New issues cannot be accepted right now.",
            )
            .hint("Try again in a moment; an event with an event_id is counted once however often it is sent.")
            .source(error),
        }
    }
}

impl From<DeadLettersError> for Problem {
    fn from(error: DeadLettersError) -> Self {
        match error {
            DeadLettersError::Store(error) => error.into(),
            DeadLettersError::Unavailable(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "kafka_unavailable",
                "The dead letters cannot be read or replayed right now: Kafka does not answer.",
            )
            .hint("Nothing is lost. Try again in a moment; a letter counts once however often it is replayed.")
            .source(error),
        }
    }
}

impl From<TriageError> for Problem {
    fn from(error: TriageError) -> Self {
        match error {
            TriageError::Invalid(fields) => Self::invalid(fields),
            TriageError::NoComment => Self::not_found("comment"),
            TriageError::KeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "This Idempotency-Key was used for another request.",
            )
            .hint("A new request needs a new key; nothing was done."),
            TriageError::NotYours => {
                Self::new(StatusCode::FORBIDDEN, "not_yours", "Only who wrote a comment, or an ADMIN, may change it.")
            }
            TriageError::Store(error) => error.into(),
            TriageError::Intake(error) => error.into(),
        }
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            return Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                "The body is larger than this route accepts.",
            );
        }
        Self::bad_request("unreadable_body", "The body could not be read.")
    }
}

impl From<FormRejection> for Problem {
    fn from(_: FormRejection) -> Self {
        Self::bad_request("unreadable_form", "The form could not be read.")
    }
}

/// What travels in the response's extensions to the middleware that writes the body.
#[derive(Clone)]
pub(crate) struct Unwritten(pub(crate) std::sync::Arc<Problem>);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Unwritten(std::sync::Arc::new(self)));
        response
    }
}

/// What the error page shows.
#[derive(Serialize)]
pub(crate) struct ProblemView<'a> {
    pub(crate) status: u16,
    pub(crate) code: &'a str,
    pub(crate) message: &'a str,
    pub(crate) request_id: &'a str,
    pub(crate) hint: &'a str,
}
