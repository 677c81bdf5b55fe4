//! Login and logout as a browser sees them. What login is, is in [`auth`](crate::auth).

use axum::{
    Extension,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Shown;
use crate::{
    auth::{Action, Callback, Login, LoginError, MAX_LOGIN, NewEntry, ProviderError, Stranger},
    web::{
        WebState,
        cookies::Cookie,
        limit::Peer,
        problem::Problem,
        require::{Require, permission},
    },
};

/// No address of ours is longer.
const MAX_NEXT_BYTES: usize = 2_000;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct NextParams {
    next: String,
}

/// `GET /login`: to the provider, and from there back to `next`.
pub(crate) async fn begin(
    State(state): State<WebState>,
    params: Result<Query<NextParams>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let login = configured(&state)?;
    let next = params.map(|Query(params)| params.next).unwrap_or_default();
    let browser = Cookie::Login.read(&headers, &login.config).map(str::to_owned);
    let begun = login.begin(local_path(&next), browser, Timestamp::now()).await.map_err(told)?;
    let cookie = Cookie::Login.set(&begun.browser, MAX_LOGIN, &login.config);
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(&begun.url)).into_response())
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct CallbackParams {
    state: String,
    code: String,
    error: String,
    iss: Option<String>,
}

/// `GET /oauth/callback`: back from the provider.
pub(crate) async fn finish(
    State(state): State<WebState>,
    peer: Option<Extension<Peer>>,
    params: Result<Query<CallbackParams>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let login = configured(&state)?;
    let Query(params) = params.map_err(|_| told(LoginError::Stale))?;
    let callback = Callback { state: params.state, code: params.code, error: params.error, issuer: params.iss };
    let browser = Cookie::Login.read(&headers, &login.config);
    let before = Cookie::Session.read(&headers, &login.config);
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let address = peer.map(|Extension(Peer(peer))| state.limiter.client(&headers, peer));
    let now = Timestamp::now();
    let (token, next) = match login.finish(callback, browser, agent, before, address, now).await {
        Ok(done) => done,
        Err(error) => {
            if error.is_refusal() {
                state.audit.refused(error.reason(), address, now).await;
            }
            return Err(told(error));
        }
    };
    let cookie = Cookie::Session.set(&token, login.config.session_max, &login.config);
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(&next)).into_response())
}

/// `POST /logout`: the session ends, everywhere and at once.
pub(crate) async fn logout(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::Read>,
) -> Result<Response, Problem> {
    let login = configured(&state)?;
    if let Some(session) = &principal.session {
        let entry = NewEntry::by(&principal, Action::LoggedOut);
        login.sessions.end(session, entry, Timestamp::now()).await?;
        login.tell_access();
        tracing::info!(user_id = principal.user_id, "somebody has logged out");
    }
    let cookie = Cookie::Session.clear(&login.config);
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/logged-out")).into_response())
}

#[derive(Serialize)]
struct LoggedOutView {}

/// `GET /logged-out`: the end; the way to the provider is a click away, or whoever logs out would be back at once.
pub(crate) async fn logged_out(State(state): State<WebState>) -> Shown {
    configured(&state)?;
    super::show(&state, None, "logged_out.html", "Logged out", "", &LoggedOutView {})
}

fn configured(state: &WebState) -> Result<&Login, Problem> {
    state.login.as_deref().ok_or_else(|| Problem::not_found("page"))
}

/// `next`, if it is a path of ours, else the start.
fn local_path(next: &str) -> &str {
    let is_path = next.starts_with('/') && !next.starts_with("//") && next.len() <= MAX_NEXT_BYTES;
    // Browsers read a backslash as a slash and skip what is not printed.
    let is_plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let is_around = ["/login", "/logout", "/logged-out", "/oauth/"].iter().any(|path| next.starts_with(path));
    if is_path && is_plain && !is_around { next } else { "/issues" }
}

/// What a person is told, and what the log is.
fn told(error: LoginError) -> Problem {
    let error = match error {
        LoginError::Store(error) => return error.into(),
        error => error,
    };
    if let LoginError::Provider(ProviderError::Unavailable(source)) = &error {
        let source = &**source as &dyn std::error::Error;
        tracing::warn!(error = source, "a login failed: the identity provider cannot be used");
        return Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "login_unavailable",
            "Nobody can be logged in right now.",
        )
        .hint("The identity provider does not answer as it should. Try again in a moment.");
    }
    tracing::warn!(reason = error.reason(), "a login was refused");
    match &error {
        LoginError::Provider(ProviderError::Stranger(stranger)) => {
            let message = match stranger {
                Stranger::NoEmail => "This account has no mail address that could be read.",
                Stranger::Unverified => "The mail address of this account is not verified.",
                Stranger::Domain | Stranger::Organisation => "This account does not belong to this organisation.",
            };
            Problem::new(StatusCode::FORBIDDEN, "login_refused", message).hint("Log in with another account.")
        }
        LoginError::Deactivated => {
            Problem::new(StatusCode::FORBIDDEN, "login_refused", "This account has been deactivated.")
                .hint("An administrator can activate it again.")
        }
        LoginError::Declined(_) => Problem::new(StatusCode::FORBIDDEN, "login_declined", "You were not logged in.")
            .hint("The login was broken off at the provider. Try again, or use another account."),
        LoginError::Provider(_) => {
            Problem::new(StatusCode::FORBIDDEN, "login_untrusted", "The login could not be verified.")
                .hint("Try again. If it stays so, an administrator finds the reason in the server's log.")
        }
        LoginError::Stale | LoginError::Store(_) => {
            Problem::bad_request("login_stale", "This login has expired, or was finished before.").hint("Log in again.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_login_one_is_on_this_server() {
        for path in ["/issues", "/issues/a1?x=1#y", "/?q=%2F%2Fevil"] {
            assert_eq!(local_path(path), path);
        }
        for elsewhere in [
            "",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "\\/evil",
            "/\t/evil.example",
            "javascript:x",
            "/\u{0}",
            "/a\r\nset-cookie: x",
            " /x",
            "/logout",
            "/login?next=/login",
            "issues",
            "/é",
        ] {
            assert_eq!(local_path(elsewhere), "/issues", "{elsewhere:?}");
        }
        assert_eq!(local_path(&format!("/{}", "a".repeat(5_000))), "/issues");
    }
}
