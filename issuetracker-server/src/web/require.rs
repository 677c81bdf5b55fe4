//! Permission in a handler's signature: `Require<permission::ChangeIssue>` asks the table of
//! [`domain::role`](crate::domain::role). A handler that forgets it has no principal to work with.

use std::marker::PhantomData;

use axum::{extract::FromRequestParts, http::StatusCode, http::request::Parts};

use super::problem::Problem;
use crate::{auth::Principal, domain::Permission};

/// Something that a route needs.
pub(crate) trait Asks {
    const PERMISSION: Permission;
}

/// One type for each permission.
pub(crate) mod permission {
    use super::Asks;
    use crate::domain::Permission;

    macro_rules! permissions {
        ($($name:ident),+) => {
            $(pub(crate) struct $name;
            impl Asks for $name { const PERMISSION: Permission = Permission::$name; })+
        };
    }

    permissions!(
        Read,
        CreateIssue,
        ChangeIssue,
        Comment,
        Ingest,
        ManageDeadLetters,
        ManageUsers,
        ManageKeys,
        ManageRules,
        ReadAudit,
        Operate
    );
}

/// The principal of the request, who has the permission.
pub(crate) struct Require<A: Asks>(pub(crate) Principal, pub(crate) PhantomData<A>);

impl<A: Asks, S: Sync> FromRequestParts<S> for Require<A> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let Some(principal) = parts.extensions.get::<Principal>() else {
            return Err(Problem::unauthenticated());
        };
        if !principal.may(A::PERMISSION) {
            let message = format!("The role {} may not do this.", principal.role.as_str());
            return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", message));
        }
        Ok(Self(principal.clone(), PhantomData))
    }
}
