//! Who makes a request. With login, whoever has a session (`login`) or shows a key of a service (`keys`); without, there is one answer, the local
//! administrator, and then only for requests that come from this machine and are meant for it ([`local`]).

mod audit;
pub mod command;
mod identity;
mod keys;
pub mod local;
mod login;
mod people;
mod provider;
mod sessions;
mod token;
mod users;

pub(crate) use self::{
    audit::{Action, Audit, Entry, NewEntry},
    identity::Stranger,
    keys::id_of,
    login::{Callback, LoginError, MAX_LOGIN},
    people::{People, Person},
    provider::ProviderError,
    sessions::Session,
    users::{PersonRole, User, UserChange, UserError},
};
pub use self::{
    keys::{Key, KeyError, Keys},
    login::Login,
};
use crate::domain::{Permission, Role};

/// What belongs to a session's token, and does not give it away.
pub(crate) fn csrf_token(session: &str) -> String {
    token::digest(&format!("csrf:{session}"))
}

/// 16 hexadecimal digits that nobody has had before.
pub(crate) fn random_id() -> String {
    token::digest(&token::random())[..16].to_owned()
}

/// 256 random bits in hexadecimal digits.
pub(crate) fn random_secret() -> String {
    token::digest(&token::random())
}

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
    /// What changes must bring that are made with the session: pages of ours have it, pages of others cannot read it.
    pub csrf: Option<String>,
    /// The service whose key is shown; it reports for no other.
    pub service: Option<String>,
    /// They came for the first time a few minutes ago, and are welcome.
    pub is_newcomer: bool,
}

impl Principal {
    /// Everybody who reaches a server without login.
    pub fn local_admin() -> Self {
        Self { role: Role::Admin, ..Self::named("local-admin", "Local admin") }
    }

    /// Somebody who has neither session nor key, and may do the least.
    fn named(user_id: &str, display_name: &str) -> Self {
        Self {
            user_id: user_id.to_owned(),
            display_name: display_name.to_owned(),
            role: Role::Viewer,
            session: None,
            csrf: None,
            service: None,
            is_newcomer: false,
        }
    }

    /// Whether they may.
    pub fn may(&self, permission: Permission) -> bool {
        self.role.may(permission)
    }
}
