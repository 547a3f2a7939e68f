//! Access to calls: for anyone, or for an admin who proves it.

use crate::app::web::client_id;
use crate::app::web::routes::admin::check_token;
use crate::app::web::routes::route::Access;
use crate::base::client_addr::ClientAddr;
use crate::config::settings::Settings;
use crate::interface::message::{Head, Response};
use crate::interface::peer::Peer;

/// An admin, by what proved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admin {
    /// The admin socket: this user of the machine has opened it.
    User(u32),
    /// The token of that name.
    Token(String),
}

/// The name of the token in `--admin-token-file`.
pub const FILE_TOKEN: &str = "file";

impl Admin {
    /// As `/admin/audit` shows it.
    pub fn describe(&self, client: Option<ClientAddr>) -> String {
        match (self, client) {
            (Admin::User(0), _) => "root".to_string(),
            (Admin::User(uid), _) => format!("user {uid}"),
            (Admin::Token(name), Some(client)) => format!("{name} ({client})"),
            (Admin::Token(name), None) => format!("{name} (local)"),
        }
    }
}

/// The admin who makes the call, where it needs one. The error of a caller who may not make it.
pub fn check(
    access: Access,
    from: Peer,
    head: &Head,
    settings: &Settings,
) -> Result<Option<Admin>, Response> {
    let needs_admin = match access {
        Access::Admin => true,
        Access::Local => !client_id::is_local(from.address(), head),
        Access::Anyone | Access::Limited | Access::Hook => false,
    };
    match from {
        Peer::Admin { uid } if needs_admin => Ok(Some(Admin::User(uid))),
        _ if !needs_admin => Ok(None),
        _ => {
            check_token(head, settings)?;
            Ok(Some(Admin::Token(FILE_TOKEN.to_string())))
        }
    }
}
