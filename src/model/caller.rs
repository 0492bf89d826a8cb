//! Who asks over HTTP, and how far he may go.
//!
//! Way: `app::access` knows the caller by his token and puts him beside the request; `web` asks him before it changes
//! anything, and writes his name into the audit log.

use crate::model::Text;
use crate::model::named::named;

named! {
    /// What a token opens. Each role may do what the ones before it may.
    Role {
        /// Pages, questions, feeds.
        Read = "read",
        /// Also events in, entries onto the list and off it.
        Write = "write",
        /// Also what law or contract put there.
        Admin = "admin",
    }
}

/// Somebody with a token, or the person at this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The token's name; stands in the audit log.
    pub name: Text,
    pub role: Role,
}

impl Caller {
    /// Whether he may do what needs `role`.
    pub fn may(&self, role: Role) -> bool {
        self.role >= role
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_may_do_what_lower_ones_may() {
        let caller = |role| Caller { name: "ann".into(), role };
        assert!(caller(Role::Admin).may(Role::Write) && caller(Role::Write).may(Role::Write));
        assert!(!caller(Role::Write).may(Role::Admin) && !caller(Role::Read).may(Role::Write));
    }
}
