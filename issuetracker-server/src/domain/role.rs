//! Who may do what: the one table of roles and permissions.

/// What a user or service key is allowed as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Admin,
    /// Works on issues.
    Developer,
    /// Reads.
    Viewer,
    /// A service's key: reports, and never has a session.
    Service,
}

/// One thing that a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// See issues.
    Read,
    /// Write a new issue.
    CreateIssue,
    /// Change status, priority, assignee and tags.
    ChangeIssue,
    /// Comment.
    Comment,
    /// Send events.
    Ingest,
    /// Read dead letters and replay them.
    ManageDeadLetters,
    /// See users, and say what they may do.
    ManageUsers,
    /// Create and revoke the keys of services.
    ManageKeys,
    /// Say who is told of what, and how.
    ManageRules,
    /// Read who did what.
    ReadAudit,
    /// Acknowledge what the server tells its operators.
    Operate,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Developer, Self::Viewer, Self::Service];

    /// The role of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// The word for it outside the process.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "ADMIN",
            Self::Developer => "DEVELOPER",
            Self::Viewer => "VIEWER",
            Self::Service => "SERVICE",
        }
    }

    /// Whether the role has the permission.
    pub const fn may(self, permission: Permission) -> bool {
        match self {
            Self::Admin => true,
            Self::Developer => matches!(
                permission,
                Permission::Read | Permission::CreateIssue | Permission::ChangeIssue | Permission::Comment
            ),
            Self::Viewer => matches!(permission, Permission::Read),
            Self::Service => matches!(permission, Permission::CreateIssue | Permission::Ingest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_letters_and_users_are_the_admins_business() {
        for permission in [Permission::ManageDeadLetters, Permission::ManageUsers, Permission::Operate] {
            let may = Role::ALL.map(|role| role.may(permission));
            assert_eq!(may, [true, false, false, false]);
        }
    }
}
