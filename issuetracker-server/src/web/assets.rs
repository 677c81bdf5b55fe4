//! Style sheet, script and icon, compiled in. Their addresses hold a hash of their bytes, so browsers keep them for ever.

use axum::{
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

use super::{WebState, problem::Problem};
use crate::domain::hex;

const CSS: &str = concat!(
    include_str!("../../assets/app.css"),
    include_str!("../../assets/list.css"),
    include_str!("../../assets/issue.css"),
    include_str!("../../assets/users.css"),
    include_str!("../../assets/analytics.css")
);
const JS: &str = concat!(
    include_str!("../../assets/app.js"),
    include_str!("../../assets/list.js"),
    include_str!("../../assets/issue.js")
);
const ICON: &str = include_str!("../../assets/favicon.svg");
const UNREAD_ICON: &str = include_str!("../../assets/favicon-unread.svg");

/// The addresses of the assets.
pub(crate) struct Assets {
    pub(crate) css_url: String,
    pub(crate) js_url: String,
}

impl Assets {
    pub(crate) fn new() -> Self {
        Self { css_url: address("css", CSS), js_url: address("js", JS) }
    }
}

fn address(extension: &str, text: &str) -> String {
    let hash = hex(&Sha256::digest(text)[..6]);
    format!("/assets/app.{hash}.{extension}")
}

/// `GET /assets/{name}`
pub(crate) async fn serve(State(state): State<WebState>, Path(name): Path<String>) -> Result<Response, Problem> {
    const FOR_EVER: &str = "public, max-age=31536000, immutable";
    let path = format!("/assets/{name}");
    let (kind, text, cache) = match path {
        path if path == state.assets.css_url => ("text/css; charset=utf-8", CSS, FOR_EVER),
        path if path == state.assets.js_url => ("text/javascript; charset=utf-8", JS, FOR_EVER),
        path if path == "/assets/favicon-unread.svg" => ("image/svg+xml", UNREAD_ICON, "public, max-age=86400"),
        path if path == "/assets/favicon.svg" => ("image/svg+xml", ICON, "public, max-age=86400"),
        _ => return Err(Problem::not_found("file")),
    };
    Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cache)], text).into_response())
}

/// `GET /favicon.ico`, which browsers ask for whatever the page says.
pub(crate) async fn favicon() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "public, max-age=86400")], ICON)
}
