//! Changes that are made with a browser's session have to bring what only pages of ours know: a field `csrf` in forms, a
//! header `X-Csrf-Token` elsewhere. It is beside the check of where a request comes from (`auth/local.rs`): one of both is
//! enough, and browsers have had holes in either.

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{Method, StatusCode, header},
};

use super::{MAX_BODY_BYTES, problem::Problem};
use crate::auth::Principal;

/// Where programs put it.
const HEADER: &str = "x-csrf-token";

/// The request as it was, if it may have an effect.
pub(super) async fn check(principal: Option<&Principal>, request: Request) -> Result<Request, Problem> {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let Some(expected) = principal.filter(|_| !is_safe).and_then(|principal| principal.csrf.as_deref()) else {
        return Ok(request);
    };
    if let Some(found) = request.headers().get(HEADER) {
        return if found.as_bytes() == expected.as_bytes() { Ok(request) } else { Err(refusal()) };
    }
    let kind = request.headers().get(header::CONTENT_TYPE).map(axum::http::HeaderValue::as_bytes).unwrap_or_default();
    if !kind.starts_with(b"application/x-www-form-urlencoded") {
        return Err(refusal());
    }
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The form is larger than this page accepts.")
    })?;
    // It has hexadecimal digits only, which no form encodes.
    let mut fields = bytes.split(|byte| *byte == b'&').filter_map(|field| field.strip_prefix(b"csrf="));
    if fields.any(|found| found == expected.as_bytes()) {
        Ok(Request::from_parts(parts, Body::from(bytes)))
    } else {
        Err(refusal())
    }
}

fn refusal() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "csrf_token", "This page is out of date, or of another session.")
        .hint("Nothing was changed. Load the page again and repeat it; programs send X-Csrf-Token, see docs/api.md.")
}
