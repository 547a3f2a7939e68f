//! Answers about tokens.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use crate::app::domain::scope::Scope;
use crate::app::render::json::time;
use crate::app::state::State;
use crate::app::store::store;
use crate::app::store::tokens::{self, TokenRow};
use crate::app::web::answer::Error;
use crate::app::web::limits::{TOKEN_USE_STEP_MS, TOKENS_LIMIT};
use crate::app::web::routes::tokens::TokenCall;
use crate::config::token::Token;
use crate::interface::message::Response;

pub fn answer(state: &mut State, call: TokenCall) -> Result<Response, Error> {
    match call {
        TokenCall::List => Ok(list(state)),
        TokenCall::Make { name, scope } => make(state, name, scope),
        TokenCall::Delete { name } => delete(state, &name),
    }
}

fn list(state: &State) -> Response {
    let all: Vec<Value> = state.tokens.iter().map(token_json).collect();
    Response::json(200, &json!({ "tokens": all }))
}

fn token_json(row: &TokenRow) -> Value {
    json!({
        "name": row.name,
        "scope": row.scope.as_str(),
        "created_at": time(row.created_at),
        "last_used": row.last_used.map(time),
    })
}

/// Makes a token. Its answer alone has it.
fn make(state: &mut State, name: String, scope: Scope) -> Result<Response, Error> {
    if state.tokens.iter().any(|row| row.name == name) {
        return Err(Response::error(409, "there is a token of that name").into());
    }
    if state.tokens.len() >= TOKENS_LIMIT {
        let sentence = format!("there are {TOKENS_LIMIT} tokens, which is the limit; delete one");
        return Err(Response::error(409, &sentence).into());
    }
    let random = tokens::random(&state.services.store)?;
    let token = HEXLOWER.encode(&random);
    let row = TokenRow {
        name,
        hash: Token::hash_of(&token),
        scope,
        created_at: state.now().unix_ms,
        last_used: None,
    };
    tokens::insert(&mut state.services.store, &row).map_err(Error::HalfWritten)?;
    let mut value = token_json(&row);
    value["token"] = json!(token);
    state.tokens.push(row);
    state.tokens.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Response::json(201, &value))
}

fn delete(state: &mut State, name: &str) -> Result<Response, Error> {
    let place = state.tokens.iter().position(|row| row.name == name);
    let place = place.ok_or_else(|| Error::not_found("token"))?;
    tokens::delete(&mut state.services.store, name).map_err(Error::HalfWritten)?;
    let row = state.tokens.remove(place);
    Ok(Response::json(200, &token_json(&row)))
}

/// Notes that a token was used, at most once a day: a call that reads need not write.
pub fn note_use(state: &mut State, name: &str) -> store::Result<()> {
    let at = state.now().unix_ms;
    let Some(row) = state.tokens.iter_mut().find(|row| row.name == name) else {
        return Ok(());
    };
    if row
        .last_used
        .is_some_and(|used| at < used + TOKEN_USE_STEP_MS)
    {
        return Ok(());
    }
    row.last_used = Some(at);
    tokens::set_used(&mut state.services.store, name, at)
}
