//! The scopes of tokens: which calls a token may make.

use crate::app::domain::verdict::str_enum;

str_enum! {
    /// What a token is for: every call of an admin, or those of the notifier alone.
    Scope {
        Admin = "admin",
        Notify = "notify",
    }
}

impl Scope {
    /// True where a token of this scope may make a call that needs `needed`.
    pub fn covers(self, needed: Scope) -> bool {
        self == Scope::Admin || self == needed
    }
}
