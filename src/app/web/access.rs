//! Access to calls: for anyone, or for an admin who proves it.

use crate::app::domain::scope::Scope;
use crate::app::store::tokens::TokenRow;
use crate::app::web::client_id;
use crate::app::web::routes::admin::bearer;
use crate::app::web::routes::route::Access;
use crate::base::client_addr::ClientAddr;
use crate::config::settings::Settings;
use crate::config::token::{FILE_TOKEN, Token};
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
    tokens: &[TokenRow],
) -> Result<Option<Admin>, Response> {
    let needed = match access {
        Access::Admin => Scope::Admin,
        Access::Notify => Scope::Notify,
        Access::Local if !client_id::is_local(from.address(), head) => Scope::Admin,
        Access::Anyone | Access::Limited | Access::Hook | Access::Local => return Ok(None),
    };
    match from {
        Peer::Admin { uid } => Ok(Some(Admin::User(uid))),
        Peer::Address(_) | Peer::Unix => {
            check_token(head, needed, settings, tokens).map(|name| Some(Admin::Token(name)))
        }
    }
}

/// The name of the token that the request carries. 401 or 403 where it has none that may make the call.
fn check_token(
    head: &Head,
    needed: Scope,
    settings: &Settings,
    tokens: &[TokenRow],
) -> Result<String, Response> {
    let file = settings.admin_token.as_ref();
    if file.is_none() && tokens.is_empty() {
        let sentence = "admin calls are taken over the admin socket alone: make a token there, or start the server \
                        with --admin-token-file";
        return Err(Response::error(403, sentence));
    }
    let Some(given) = bearer(head) else {
        let sentence = "an admin call needs the header Authorization: Bearer TOKEN";
        return Err(Response::error(401, sentence).with("WWW-Authenticate", "Bearer"));
    };
    if file.is_some_and(|token| token.is(given)) {
        return Ok(FILE_TOKEN.to_string());
    }
    let is_given = |row: &&TokenRow| Token::of_hash(row.hash).is(given);
    match tokens.iter().find(is_given) {
        Some(row) if row.scope.covers(needed) => Ok(row.name.clone()),
        Some(row) => {
            let sentence = format!("the scope of this token is {}", row.scope.as_str());
            Err(Response::error(403, &sentence))
        }
        None => Err(Response::error(403, "wrong admin token")),
    }
}
