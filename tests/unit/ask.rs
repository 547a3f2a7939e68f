//! Requests, and what is read from them.

use crate::common::core;
use crate::common::settings::settings;
use serde_json::Value;
use zigcheck::app::web::access;
use zigcheck::app::web::request::open_if;
use zigcheck::app::web::routes::table::{self, Call, Routed};
use zigcheck::config::settings::Settings;
use zigcheck::interface::message::{Admission, Head, Request, Response};
use zigcheck::interface::peer::Peer;

pub const VERSIONS: [&str; 2] = ["0.16.0", "0.15.2"];

pub fn request(method: &str, target: &str, body: &[u8]) -> Request {
    core::request(method, target, &[], body)
}

fn asked() -> Settings {
    settings(&["--zig-versions=0.16.0,0.15.2"])
}

/// The route, where whoever comes over the network may take it.
fn routed(head: &Head, settings: &Settings) -> Result<Routed, Response> {
    let routed = table::find(head)?;
    access::check(routed.access(), Peer::Unix, head, settings, &[])?;
    Ok(routed)
}

/// The call that a request makes: its head, with the length of its body, is admitted, then it is read.
pub fn read(request: &Request, settings: &Settings) -> Result<Call, Response> {
    let mut head = request.head.clone();
    let length = request.body.len().to_string();
    head.headers.push(("content-length".to_string(), length));
    let routed = routed(&head, settings)?;
    let admitted = routed.admission(&head, settings);
    let call = admitted.and_then(|_| routed.read(&head, &request.body, settings));
    call.map_err(|error| open_if(routed.is_open(), error))
}

/// What becomes of the body of a request with that head.
pub fn admit(head: &Head, settings: &Settings) -> Admission {
    let routed = routed(head, settings);
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
    core::request(method, target, headers, b"").head
}

/// The only header of that name.
#[track_caller]
pub fn header<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    let mut found = response.headers.iter().filter(|(known, _)| *known == name);
    let value = found.next().map(|(_, value)| value.as_str());
    assert_eq!(found.next(), None, "{name} twice");
    value
}
