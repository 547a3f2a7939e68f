//! Calls about tokens: which there are, a new one, one that goes.

use crate::app::domain::scope::Scope;
use crate::app::web::query::bad;
use crate::app::web::routes::route::{RouteRequest, check_name, text};
use crate::config::token::FILE_TOKEN;
use crate::interface::message::Response;

#[derive(Debug, Clone, PartialEq)]
pub enum TokenCall {
    List,
    Make { name: String, scope: Scope },
    Delete { name: String },
}

pub fn make(request: &RouteRequest) -> Result<TokenCall, Response> {
    let fields = request.fields()?;
    let needed = |name: &str| {
        let value = text(&fields, name, 1_000)?;
        value.ok_or_else(|| bad(&format!("{name}: is missing")))
    };
    let name = check_name("name", needed("name")?)?;
    if name == FILE_TOKEN {
        let sentence = format!("name: {FILE_TOKEN} is the token of --admin-token-file");
        return Err(bad(&sentence));
    }
    let scope = Scope::parse(&needed("scope")?);
    let scope = scope.ok_or_else(|| bad("scope: must be admin or notify"))?;
    Ok(TokenCall::Make { name, scope })
}

pub fn delete(request: &RouteRequest) -> Result<TokenCall, Response> {
    let name = request.name()?;
    Ok(TokenCall::Delete { name })
}
