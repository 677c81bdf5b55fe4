//! The users: who there is, and the form that says what each may do.

use axum::{
    Form,
    extract::{State, rejection::FormRejection},
    response::Redirect,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Shown,
    layout::{OptionView, TimeView},
};
use crate::{
    auth::{PersonRole, User, UserChange},
    domain::Role,
    triage::invalid,
    web::{
        WebState,
        api::users::{UserPath, login},
        problem::Problem,
        require::{Require, permission},
    },
};

/// So many fit on the page; the API has all.
const SHOWN: usize = 1_000;

#[derive(Serialize)]
struct UsersView {
    rows: Vec<RowView>,
    is_more: bool,
}

#[derive(Serialize)]
struct RowView {
    uid: String,
    name: String,
    email: String,
    is_active: bool,
    is_me: bool,
    is_service: bool,
    roles: Vec<OptionView>,
    last_login: Option<TimeView>,
}

/// `GET /users`
pub(crate) async fn show(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageUsers>,
) -> Shown {
    let now = Timestamp::now();
    let mut users = login(&state)?.users.list(None, SHOWN + 1).await?;
    let is_more = users.len() > SHOWN;
    users.truncate(SHOWN);
    users.sort_by_cached_key(|user| (!user.is_active, user.display_name.to_lowercase()));
    let row = |user: User| RowView {
        roles: PersonRole::ALL
            .iter()
            .map(|role| OptionView::new(role.as_str(), role.as_str(), role.role() == user.role))
            .collect(),
        is_service: user.role == Role::Service,
        is_me: user.uid == principal.user_id,
        uid: user.uid,
        name: user.display_name,
        email: user.email,
        is_active: user.is_active,
        last_login: user.last_login.map(|at| TimeView::new(at, now)),
    };
    let view = UsersView { rows: users.into_iter().map(row).collect(), is_more };
    super::show(&state, &principal, "users.html", "Users", "users", &view)
}

/// What the form of a row sends; what it leaves out stays.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct UserForm {
    role: String,
    active: String,
}

/// `POST /users/{uid}`
pub(crate) async fn change(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageUsers>,
    UserPath(uid): UserPath,
    form: Result<Form<UserForm>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(UserForm { role, active }) = form?;
    let wrong = |field, message: &str| Problem::invalid(vec![invalid(field, message)]);
    let role = match role.as_str() {
        "" => None,
        word => Some(word.parse::<PersonRole>().map_err(|error| wrong("role", &error.to_string()))?),
    };
    let is_active = match active.as_str() {
        "" => None,
        word => Some(word.parse().map_err(|_| wrong("active", "true or false"))?),
    };
    let login = login(&state)?;
    login.users.change(&uid, &UserChange { role, is_active }, &principal).await?;
    login.tell_access();
    Ok(Redirect::to("/users"))
}
