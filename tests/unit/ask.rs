//! Requests, and what is read from them.

use crate::common::settings::settings;
use serde_json::Value;
use zigcheck::app::web::request::open_if;
use zigcheck::app::web::routes::table::{self, Call};
use zigcheck::config::settings::Settings;
use zigcheck::interface::message::{Admission, Head, Request, Response};

pub const VERSIONS: [&str; 2] = ["0.16.0", "0.15.2"];

pub fn request(method: &str, target: &str, body: &[u8]) -> Request {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let head = Head {
        method: method.to_string(),
        path: path.to_string(),
        query: query.to_string(),
        headers: Vec::new(),
    };
    Request {
        head,
        body: body.to_vec(),
        spooled: false,
    }
}

fn asked() -> Settings {
    settings(&["--zig-versions=0.16.0,0.15.2"])
}

/// The call that a request makes: its head, with the length of its body, is admitted, then it is read.
pub fn read(request: &Request, settings: &Settings) -> Result<Call, Response> {
    let mut head = request.head.clone();
    let length = request.body.len().to_string();
    head.headers.push(("content-length".to_string(), length));
    let routed = table::find(&head, settings)?;
    let admitted = routed.admission(&head, settings);
    let call = admitted.and_then(|_| routed.read(&head, &request.body, settings));
    call.map_err(|error| open_if(routed.is_open(), error))
}

/// What becomes of the body of a request with that head.
pub fn admit(head: &Head, settings: &Settings) -> Admission {
    let routed = table::find(head, settings);
    let admission = routed.and_then(|routed| routed.admission(head, settings));
    admission.unwrap_or_else(Admission::Refuse)
}

pub fn answer(request: &Request) -> Result<Call, Response> {
    read(request, &asked())
}

pub fn admitted(head: &Head) -> Admission {
    admit(head, &asked())
}

#[track_caller]
pub fn refused(status: u16, request: &Request) -> String {
    let response = answer(request).unwrap_err();
    let value: Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(response.status, status, "{value}");
    value["error"].as_str().unwrap().to_string()
}

pub fn with(method: &str, target: &str, headers: &[(&str, &str)]) -> Head {
    let mut head = request(method, target, b"").head;
    let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    head.headers = headers.iter().map(owned).collect();
    head
}
