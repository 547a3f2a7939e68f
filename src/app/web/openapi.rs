//! The reference of the API as an OpenAPI document, for programs.

use serde_json::{Map, Value, json};

use crate::app::domain::comparison::Outcome;
use crate::app::domain::verdict::{BuildStatus, State};
use crate::app::web::limits::SHARE_DAYS_LIMIT;
use crate::app::web::reference::{Answer, Body, CALLS, Call, Kind};

/// The type of a parameter, as JSON schema.
fn schema(name: &str) -> Value {
    let words = |all: Vec<&str>| json!({ "type": "string", "enum": all });
    match name {
        "page" | "before" | "check" | "build" | "id" | "set" => {
            json!({ "type": "integer", "minimum": 1 })
        }
        "limit" => json!({ "type": "integer", "minimum": 1, "maximum": 100 }),
        "days" => json!({ "type": "integer", "minimum": 1, "maximum": SHARE_DAYS_LIMIT }),
        "tail" => json!({ "type": "integer", "minimum": 1, "maximum": 1_000_000 }),
        "since" | "from" => json!({ "type": "integer", "minimum": 0 }),
        "follow" | "wait" | "fresh" | "uploads" => words(vec!["1", "0"]),
        "only" => words(vec!["broken", "fixed"]),
        "format" => words(vec!["json", "markdown", "names"]),
        "outcome" => words(Outcome::ALL.iter().map(|word| word.as_str()).collect()),
        "status" => words(BuildStatus::ALL.iter().map(|word| word.as_str()).collect()),
        "state" => words(State::ALL.iter().map(|word| word.as_str()).collect()),
        _ => json!({ "type": "string" }),
    }
}

fn parameters(call: &Call) -> Vec<Value> {
    let names = call.path.split('{').skip(1);
    let in_path = names.filter_map(|part| part.split('}').next()).map(
        |name| json!({ "name": name, "in": "path", "required": true, "schema": schema(name) }),
    );
    let in_query = call
        .query
        .split_whitespace()
        .map(|name| json!({ "name": name, "in": "query", "schema": schema(name) }));
    in_path.chain(in_query).collect()
}

fn object(fields: &str) -> Value {
    let fields: Vec<&str> = fields.split_whitespace().collect();
    json!({ "type": "object", "required": fields })
}

fn body(call: &Call) -> Option<Value> {
    let content = match call.body {
        Body::None => return None,
        Body::Archive => json!({ "application/octet-stream": {} }),
        Body::Json(fields) => {
            let fields = fields.split_whitespace();
            let any: Map<String, Value> =
                fields.map(|name| (name.to_string(), json!({}))).collect();
            json!({ "application/json": { "schema": { "type": "object", "properties": any } } })
        }
    };
    Some(json!({ "required": true, "content": content }))
}

fn responses(call: &Call) -> Map<String, Value> {
    let content = match call.answer {
        Answer::None => json!({}),
        Answer::Other(kind) => json!({ kind: {} }),
        // Text for clients that ask for it.
        Answer::Json(_) if call.query.contains("follow") => {
            json!({ "application/json": {}, "text/plain": {}, "application/x-ndjson": {} })
        }
        Answer::Json(fields) => json!({ "application/json": { "schema": object(fields) } }),
    };
    let good = call.good.iter().map(|status| {
        let answer = json!({ "description": "The answer", "content": content });
        (status.to_string(), answer)
    });
    let errors = call.kind.errors().iter().map(|status| {
        let error = json!({ "$ref": "#/components/responses/Error" });
        (status.to_string(), error)
    });
    good.chain(errors).collect()
}

/// The reference as an OpenAPI document.
pub fn openapi() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for call in CALLS {
        let mut operation = json!({
            "summary": call.summary,
            "parameters": parameters(call),
            "responses": responses(call),
        });
        if let Some(body) = body(call) {
            operation["requestBody"] = body;
        }
        match call.kind {
            Kind::Admin => operation["security"] = json!([{ "admin": [] }]),
            // Without it from the server's machine.
            Kind::Local => operation["security"] = json!([{}, { "admin": [] }]),
            Kind::Read | Kind::Submit | Kind::Hook | Kind::Socket => {}
        }
        let path = paths.entry(call.path).or_insert_with(|| json!({}));
        path[call.method.to_ascii_lowercase()] = operation;
    }
    let error = json!({
        "description": "One sentence says what is wrong; 304 has no body",
        "content": { "application/json": { "schema": object("error") } },
    });
    json!({
        "openapi": "3.1.0",
        "info": { "title": "zigcheck", "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": {
            "responses": { "Error": error },
            "securitySchemes": { "admin": { "type": "http", "scheme": "bearer" } },
        },
    })
}
