//! Around every request: its id, who makes it, its security headers, how long it took, and the body of an answer that
//! says no. Errors are logged here, once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use uuid::Uuid;

use super::{
    WebState, csrf, identify, is_for_programs,
    limit::{Client, Peer},
    pages::layout::PageView,
    problem::{Problem, ProblemView, Unwritten},
};
use crate::{
    auth::{Principal, local},
    metrics,
};

/// How long a request may take; live updates are answered at once and go on.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The outermost middleware.
pub(crate) async fn observe(State(state): State<WebState>, mut request: Request, next: Next) -> Response {
    let start = Instant::now();
    let request_id = Uuid::now_v7().simple().to_string();
    let method = request.method().clone();
    let is_api = is_for_programs(request.uri().path());
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();

    let public_url = state.login.as_ref().map(|login| login.config.public_url.as_str());
    let identified = match local::check(&request, public_url).map_err(refusal) {
        Ok(()) => identify::principal(&state, request.uri().path(), request.headers()).await,
        Err(problem) => Err(problem),
    };
    let admitted = match within_budget(&state, &request, identified.as_ref().ok().and_then(Option::as_ref), start) {
        Ok(()) => identified,
        Err(problem) => Err(problem),
    };
    let principal = admitted.as_ref().ok().and_then(Clone::clone);
    let refused = match admitted {
        Err(problem) => Some(problem.into_response()),
        Ok(None) => identify::refuse_stranger(&request),
        Ok(Some(principal)) => {
            request.extensions_mut().insert(principal);
            None
        }
    };
    let mut response = match refused {
        Some(response) => response,
        None => match tokio::time::timeout(REQUEST_TIMEOUT, handle(principal.as_ref(), request, next)).await {
            Ok(response) => response,
            Err(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timed_out", "This took too long.")
                .hint("Try again in a moment; what you sent may have had its effect.")
                .into_response(),
        },
    };
    if let Some(Unwritten(problem)) = response.extensions_mut().remove::<Unwritten>() {
        log(&problem, &request_id, &route);
        write_body(&mut response, &problem, &request_id, is_api, &state, principal.as_ref());
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if state.login.as_ref().is_some_and(|login| !login.config.is_plain()) {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        headers.insert("x-request-id", id);
    }
    metrics::request(&route, method.as_str(), response.status().as_u16(), start.elapsed());
    response
}

async fn handle(principal: Option<&Principal>, request: Request, next: Next) -> Response {
    match csrf::check(principal, request).await {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Takes the request from a budget: of whoever makes it, or of the address that strangers come from. Without login
/// everybody is the same person, so there the address counts as well.
fn within_budget(
    state: &WebState,
    request: &Request,
    principal: Option<&Principal>,
    now: Instant,
) -> Result<(), Problem> {
    let client = match (principal.filter(|_| state.login.is_some()), request.extensions().get::<Peer>()) {
        (Some(principal), _) => Client::User(principal.user_id.clone()),
        (None, Some(Peer(peer))) => Client::Address(state.limiter.client(request.headers(), *peer)),
        (None, None) => return Ok(()),
    };
    state.limiter.take(request.uri().path(), client, now).map_err(Problem::too_many_requests)
}

fn refusal(refused: local::Refused) -> Problem {
    match refused {
        local::Refused::Host => Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "foreign_host",
            "Without login this server answers only to 127.0.0.1 and localhost.",
        ),
        local::Refused::Origin => Problem::new(
            StatusCode::FORBIDDEN,
            "foreign_origin",
            "This change was sent by a page of another site, so it was not made.",
        ),
    }
}

fn log(problem: &Arc<Problem>, request_id: &str, route: &str) {
    let Some(source) = &problem.source else { return };
    tracing::error!(
        error = &**source as &dyn std::error::Error,
        request_id,
        route,
        code = problem.code,
        "a request failed"
    );
}

fn write_body(
    response: &mut Response,
    problem: &Problem,
    request_id: &str,
    is_api: bool,
    state: &WebState,
    principal: Option<&Principal>,
) {
    let page = || {
        let problem = ProblemView {
            status: problem.status.as_u16(),
            code: problem.code,
            message: &problem.message,
            request_id,
            hint: problem.hint,
        };
        state.templates.render("error.html", &PageView::new(state, principal, problem.message, ""), &problem)
    };
    let (kind, body) = match if is_api { None } else { page().ok() } {
        Some(page) => ("text/html; charset=utf-8", page.into_bytes()),
        None => ("application/json", problem.to_json(request_id)),
    };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(body);
}
