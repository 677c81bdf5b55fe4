//! Who makes a request. With login, whoever has a session (`login`); without, there is one answer, the local
//! administrator, and then only for requests that come from this machine and are meant for it ([`local`]).

mod identity;
pub mod local;
mod login;
mod provider;
mod sessions;
mod token;
mod users;

pub use self::login::Login;
pub(crate) use self::{
    identity::Stranger,
    login::{Callback, LoginError, MAX_LOGIN},
    provider::ProviderError,
    users::{PersonRole, User, UserChange, UserError},
};
use crate::domain::{Permission, Role};

/// Who makes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// What activities and comments name.
    pub user_id: String,
    /// What pages show.
    pub display_name: String,
    /// What they may do.
    pub role: Role,
    /// The session's id, of whoever has one.
    pub session: Option<String>,
}

impl Principal {
    /// Everybody who reaches a server without login.
    pub fn local_admin() -> Self {
        Self {
            user_id: "local-admin".to_owned(),
            display_name: "Local admin".to_owned(),
            role: Role::Admin,
            session: None,
        }
    }

    /// Whether they may.
    pub fn may(&self, permission: Permission) -> bool {
        self.role.may(permission)
    }
}
