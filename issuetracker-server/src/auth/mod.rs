//! Who makes a request. Until login is configured there is one answer: the local administrator, and then only for
//! requests that come from this machine and are meant for it ([`local`]).

pub mod local;

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
}

impl Principal {
    /// Everybody who reaches a server without login.
    pub fn local_admin() -> Self {
        Self { user_id: "local-admin".to_owned(), display_name: "Local admin".to_owned(), role: Role::Admin }
    }

    /// Whether they may.
    pub fn may(&self, permission: Permission) -> bool {
        self.role.may(permission)
    }
}
