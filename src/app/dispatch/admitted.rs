//! A request whose head was admitted.

use crate::app::web::access::Admin;
use crate::app::web::routes::table::Routed;
use crate::base::client_addr::ClientAddr;

pub struct Admitted {
    pub routed: Routed,
    pub client: Option<ClientAddr>,
    /// The admin whose call it is.
    pub admin: Option<Admin>,
}
