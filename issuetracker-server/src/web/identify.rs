//! Who makes a request, and what happens to requests that nobody makes: refused, unless the path is open to everybody.

use axum::{
    extract::Request,
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use jiff::Timestamp;

use super::{WebState, cookies::Cookie, is_for_programs, pages::layout::query_string, problem::Problem};
use crate::auth::{Principal, id_of};

/// The principal of a request; `None` for whoever is not logged in.
pub(super) async fn principal(state: &WebState, path: &str, headers: &HeaderMap) -> Result<Option<Principal>, Problem> {
    let Some(login) = &state.login else { return Ok(Some(Principal::local_admin())) };
    if is_open(path) {
        // Health and style must not depend on the store.
        return Ok(None);
    }
    // Who shows a key is that service and nobody else, whatever cookies come along.
    if let Some(key) = bearer(headers) {
        return match login.service(key, Timestamp::now()).await? {
            Ok(service) => Ok(Some(service)),
            Err(refused) => {
                tracing::warn!(key_id = id_of(key), reason = refused.as_str(), "a key was refused");
                let problem = Problem::new(StatusCode::UNAUTHORIZED, "invalid_key", "This key is not valid.");
                Err(problem.hint("Ask an administrator for another one."))
            }
        };
    }
    let Some(token) = Cookie::Session.read(headers, &login.config) else { return Ok(None) };
    Ok(login.principal(token, Timestamp::now()).await?)
}

/// The key of a service.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// The answer to a stranger: `None` if the path is open.
pub(super) fn refuse_stranger(request: &Request) -> Option<Response> {
    let path = request.uri().path();
    if is_open(path) {
        return None;
    }
    // A script that asks for a page could do nothing with the provider's.
    let destination = request.headers().get("sec-fetch-dest").map(axum::http::HeaderValue::as_bytes);
    let is_visit = *request.method() == Method::GET && destination.is_none_or(|what| what == b"document");
    if is_visit && !is_for_programs(path) {
        let next = request.uri().path_and_query().map_or("/", |next| next.as_str());
        return Some(Redirect::to(&format!("/login?{}", query_string(&[("next", next)]))).into_response());
    }
    Some(Problem::unauthenticated().into_response())
}

/// What is served to everybody.
fn is_open(path: &str) -> bool {
    path.starts_with("/assets/")
        || matches!(
            path,
            "/healthz" | "/readyz" | "/metrics" | "/favicon.ico" | "/login" | "/oauth/callback" | "/logged-out"
        )
}
