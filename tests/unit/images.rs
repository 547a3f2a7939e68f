//! Images that are made while the server runs.

use crate::common::core::Inside;
use serde_json::json;
use zigcheck::config::limits::ENGINE_FRESH_MS;

#[test]
fn the_front_page_and_the_health_say_how_many_images_are_made() {
    let (mut inside, _memory) = Inside::begin("images-are-made", 1);
    let made = "1 of 2 images are made";
    assert!(!inside.curl("/").contains("images are made"));
    assert_eq!(inside.json("/api/health")["images"], json!(null));

    let image = inside.engine.images.clone();
    inside.engine.set_image("0.15.2", None);
    inside.pass(ENGINE_FRESH_MS + 1);
    let health = inside.json("/api/health");
    assert_eq!(health["images"], json!(made), "{health}");
    assert_eq!(health["missing_images"], json!(["zigcheck:0.15.2"]));
    assert_eq!(health["status"], "healthy");
    assert!(inside.curl("/").contains(made));
    let headers = [("Host", "x"), ("Accept", "text/html")];
    let page = inside.request("GET", "/", &headers, b"");
    assert!(String::from_utf8_lossy(&page.body).contains(made));
    let headers = [("content-type", "application/json")];
    let body = br#"{"url": "https://github.com/somebody/else"}"#;
    let refused = inside.request("POST", "/api/packages", &headers, body);
    let sentence = String::from_utf8_lossy(&refused.body);
    assert_eq!(refused.status, 503, "{sentence}");
    assert!(sentence.contains(made), "{sentence}");

    // It is used without a restart, once somebody looks: the page asks the engine, for the next one.
    inside.engine.images = image;
    inside.pass(ENGINE_FRESH_MS + 1);
    inside.curl("/");
    inside.pass(0);
    assert!(!inside.curl("/").contains("images are made"));
    assert_eq!(inside.json("/api/health")["images"], json!(null));
}
