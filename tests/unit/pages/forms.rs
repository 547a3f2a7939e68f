//! Forms that browsers send without a script, errors as pages, and where links lead.

use std::collections::BTreeSet;

use super::data::*;
use super::html::{document, html, value};
use crate::common::core::Inside;
use crate::common::html::{Document, parse};
use crate::common::rows::in_memory;
use zigcheck::interface::message::Response;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const BROWSER: [(&str, &str); 3] = [
    ("accept", "text/html"),
    ("host", "h"),
    ("origin", "http://h"),
];

fn send(inside: &mut Inside, path: &str, body: &str) -> Response {
    let length = body.len().to_string();
    let headers = [&BROWSER[..], &[FORM, ("content-length", &length)]].concat();
    inside.request("POST", path, &headers, body.as_bytes())
}

fn page(response: &Response) -> Document {
    parse(std::str::from_utf8(&response.body).unwrap())
}

#[test]
fn a_form_leads_to_the_check_that_it_asked_for() {
    let mut inside = Inside::open("form", in_memory(), 1);
    let form = document(&mut inside, "/submit?url=https%3A%2F%2Fgithub.com%2Fa%2Fb");
    let names: Vec<&str> = form
        .named("input")
        .iter()
        .filter_map(|input| input.attribute("name"))
        .collect();
    assert_eq!(names, ["search", "url", "ref", "dir", "name"]);
    assert_eq!(
        form.named("input")[1].attribute("value"),
        Some("https://github.com/a/b")
    );
    assert!(form.targets().contains(&"/submit".to_string()));
    let response = send(
        &mut inside,
        "/submit",
        "url=+https%3A%2F%2Fgithub.com%2Fa%2Fb+&ref=v1&dir=&name=",
    );
    assert_eq!(
        (response.status, value(&response, "Location")),
        (303, Some("/checks/1"))
    );
    assert_eq!(inside.json("/api/packages/b")["ref"], "v1");
    assert_eq!(
        document(&mut inside, "/checks/1").text("h1"),
        "Check 1 of b"
    );
    // The repository is known: it has a page.
    let response = send(
        &mut inside,
        "/submit",
        "url=https%3A%2F%2Fgithub.com%2FA%2Fb.git",
    );
    assert_eq!(
        (response.status, value(&response, "Location")),
        (303, Some("/packages/b"))
    );
    let page = document(&mut inside, "/packages/b");
    assert!(page.targets().contains(&"/packages/b/check".to_string()));
    let response = send(&mut inside, "/packages/b/check", "");
    assert_eq!(
        (response.status, value(&response, "Location")),
        (303, Some("/checks/2"))
    );
}

#[test]
fn an_error_stands_beside_its_field_and_what_was_typed_is_kept() {
    let mut inside = Inside::open("form-errors", in_memory(), 1);
    for (body, status, field, sentence) in [
        ("url=&dir=d", 400, "url", "is missing"),
        (
            "url=https%3A%2F%2Fgithub.com%2Fa%2Fb&dir=..",
            400,
            "dir",
            "must not have empty parts, . or ..",
        ),
        (
            "url=https%3A%2F%2Fgithub.com%2Fa%2Fb&name=a%20b",
            400,
            "name",
            "must be 1 to 100 of",
        ),
        ("url=%22%3E%3Cscript%3E", 400, "url", "must"),
    ] {
        let response = send(&mut inside, "/submit", body);
        assert_eq!(response.status, status, "{body}");
        let page = page(&response);
        let id = format!("{field}-fault");
        let faults = page
            .0
            .iter()
            .filter(|element| element.attribute("class") == Some("fault"));
        let faults: Vec<_> = faults.collect();
        assert_eq!(faults.len(), 1, "{body}");
        assert_eq!(faults[0].attribute("id"), Some(id.as_str()));
        assert!(faults[0].text.contains(sentence), "{}", faults[0].text);
        for (name, typed) in form_urlencoded::parse(body.as_bytes()) {
            let inputs = page.named("input").into_iter();
            let mut input = inputs.filter(|input| input.attribute("name") == Some(&name));
            let input = input.next().expect("the field");
            assert_eq!(input.attribute("value"), Some(&*typed), "{body}");
            let is_wrong = input.attribute("aria-invalid").is_some();
            assert_eq!(is_wrong, name == field, "{body}: {name}");
        }
        let open = page.named("details")[0].attribute("open").is_some();
        assert_eq!(open, body.contains('&'), "{body}");
    }
    // A name that another repository has.
    send(
        &mut inside,
        "/submit",
        "url=https%3A%2F%2Fgithub.com%2Fa%2Fb",
    );
    let response = send(
        &mut inside,
        "/submit",
        "url=https%3A%2F%2Fgithub.com%2Fx%2Fy&name=b",
    );
    assert_eq!(response.status, 409);
    assert!(
        page(&response)
            .text("main")
            .contains("belongs to https://github.com/a/b")
    );
}

#[test]
fn forms_keep_the_rate_limits_of_the_api() {
    let mut inside = Inside::with("form-limits", in_memory(), |settings| {
        settings.submit_rate = 4
    });
    let address = "203.0.113.9".parse().ok();
    let mut send = |url: &str| {
        let body = format!("url=https%3A%2F%2Fgithub.com%2Fa%2F{url}");
        let length = body.len().to_string();
        let asked = crate::common::core::Asked {
            method: "POST",
            target: "/submit",
            headers: [&BROWSER[..], &[FORM, ("content-length", &length)]].concat(),
            body: vec![body.as_bytes()],
            whole: true,
        };
        inside.ask_from(address, &asked).expect("an answer")
    };
    assert_eq!(send("b").status, 303);
    let response = send("c");
    assert_eq!(response.status, 429);
    assert!(value(&response, "Retry-After").is_some());
    assert!(
        page(&response)
            .text("main")
            .contains("Wait a little, then try again.")
    );
}

#[test]
fn an_error_is_a_page_for_a_browser_and_json_for_a_program() {
    let mut inside = Inside::open("error-pages", some(), 1);
    for (method, path, headers, status, sentence) in [
        (
            "GET",
            "/nothing",
            &BROWSER[..],
            404,
            "there is nothing at this path",
        ),
        (
            "GET",
            "/checks/0",
            &BROWSER,
            400,
            "id: must be a whole number from 1",
        ),
        ("GET", "/builds/77", &BROWSER, 404, "There is no build 77."),
        (
            "GET",
            "/packages/nobody",
            &BROWSER,
            404,
            "There is no package nobody.",
        ),
        ("PUT", "/queue", &BROWSER, 405, "wrong method for this path"),
        (
            "POST",
            "/packages/nobody/check",
            &BROWSER,
            404,
            "there is no such package",
        ),
        (
            "POST",
            "/submit",
            &BROWSER,
            415,
            "the body must be application/x-www-form-urlencoded",
        ),
        (
            "POST",
            "/packages/old/check",
            &[BROWSER[0], BROWSER[1], ("origin", "http://other")],
            403,
            "only read",
        ),
    ] {
        let response = inside.request(method, path, headers, b"");
        assert_eq!(response.status, status, "{path}");
        let page = page(&response);
        assert!(
            page.text("main").contains(sentence),
            "{path}: {}",
            page.text("main")
        );
        assert_eq!(page.link("packages"), Some("/"));
        assert_eq!(value(&response, "Allow").is_some(), status == 405);
        let robots = page
            .named("meta")
            .into_iter()
            .find(|meta| meta.attribute("name") == Some("robots"));
        assert!(robots.is_some(), "{path}");
    }
    let response = inside.request("GET", "/api/nothing", &BROWSER, b"");
    assert_eq!(value(&response, "Content-Type"), Some("application/json"));
    let response = inside.request("GET", "/nothing", &[], b"");
    assert_eq!(value(&response, "Content-Type"), Some("application/json"));
}

#[test]
fn every_link_leads_to_a_page() {
    let mut inside = Inside::open("links", some(), 1);
    let (mut seen, mut next) = (BTreeSet::new(), vec!["/".to_string()]);
    while let Some(path) = next.pop() {
        // No build of these rows has run, so none has a log.
        if path.ends_with("/log") || !seen.insert(path.clone()) {
            continue;
        }
        let response = html(&mut inside, &path);
        assert_eq!(response.status, 200, "{path}");
        let kind = value(&response, "Content-Type").unwrap();
        if kind != "text/html; charset=utf-8" {
            let is_for_programs = path == "/openapi.json" || path.starts_with("/api/compare/");
            assert!(
                is_for_programs || !kind.contains("json"),
                "{path} is {kind}"
            );
            continue;
        }
        let page = page(&response);
        assert_eq!(page.named("h1").len(), 1, "{path}");
        let links = page.named("a").into_iter().chain(page.named("link"));
        for link in links.filter_map(|link| link.attribute("href")) {
            let own = link.strip_prefix("http://h").unwrap_or(link);
            if own.starts_with('/') {
                let (path, _) = own.split_once('#').unwrap_or((own, ""));
                next.push(path.to_string());
            }
        }
    }
    for path in [
        "/queue",
        "/submit",
        "/packages/old",
        "/checks/1",
        "/builds/1",
        "/favicon.ico",
    ] {
        assert!(seen.contains(path), "nothing leads to {path}");
    }
}

#[test]
fn pages_without_data_are_light() {
    let mut inside = Inside::open("light", in_memory(), 1);
    for path in [
        "/",
        "/queue",
        "/submit",
        "/packages/nobody",
        "/checks/1",
        "/builds/1",
        "/nothing",
    ] {
        let bytes = html(&mut inside, path).body.len();
        assert!(bytes < 30 << 10, "{path} has {bytes} bytes");
        assert!(bytes > 1_000, "{path} is a page");
    }
}

#[test]
fn the_icon_is_an_image_and_robots_stay_on_pages() {
    let mut inside = Inside::open("icon", in_memory(), 1);
    let icon = inside.request("GET", "/favicon.ico", &[], b"");
    assert_eq!(value(&icon, "Content-Type"), Some("image/svg+xml"));
    assert!(
        icon.body
            .starts_with(b"<svg xmlns=\"http://www.w3.org/2000/svg\"")
    );
    assert!(inside.curl("/robots.txt").contains("Disallow: /api/\n"));
    let submit = inside.curl("/submit");
    assert!(
        submit.starts_with("Submit a package:\n  curl -d '{\"url\": "),
        "{submit}"
    );
}
