//! The dashboard's pages. Each file reads what its page needs and shapes it for its template; fields of the `*View`
//! types are the templates' vocabulary.

pub(crate) mod analytics;
pub(crate) mod audit;
pub(crate) mod dead_letters;
pub(crate) mod issue;
pub(crate) mod keys;
pub(crate) mod layout;
pub(crate) mod list;
pub(crate) mod login;
pub(crate) mod merge;
pub(crate) mod new;
pub(crate) mod notifications;
pub(crate) mod sessions;
pub(crate) mod users;

use axum::response::Html;
use serde::Serialize;

use self::layout::PageView;
use super::{WebState, problem::Problem};
use crate::auth::Principal;

/// The answer of a handler that shows a page.
pub(crate) type Shown = Result<Html<String>, Problem>;

pub(super) fn show<'p>(
    state: &WebState,
    principal: impl Into<Option<&'p Principal>>,
    template: &str,
    title: &str,
    nav: &'static str,
    content: &impl Serialize,
) -> Shown {
    let page = PageView::new(state, principal, title, nav);
    state.templates.render(template, &page, content).map(Html).map_err(Problem::internal)
}
