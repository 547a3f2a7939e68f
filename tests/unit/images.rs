//! Images that are made while the server runs.

use crate::common::core::Inside;
use crate::retirement::end_all;
use serde_json::json;
use zigcheck::app::builds::limits::MISSING_IMAGE_PAUSE_MS;
use zigcheck::config::limits::ENGINE_FRESH_MS;
use zigcheck::interface::event::Worker;

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

/// The image goes, and the server hears of it.
fn lose(inside: &mut Inside, version: &str) {
    inside.engine.set_image(version, None);
    inside.pass(ENGINE_FRESH_MS + 1);
    inside.json("/api/health");
}

#[test]
fn a_build_waits_for_its_image_and_that_is_no_attempt() {
    let (mut inside, memory) = Inside::begin("image-of-a-build", 1);
    let images = inside.engine.images.clone();
    inside.submit("package");
    let container = inside.names().pop().unwrap();
    inside.source_is_there(&container);
    let (first, second) = (inside.build(1), inside.build(2));
    assert_eq!(
        (&first["state"], &second["state"]),
        (&json!("building"), &json!("queued"))
    );
    let version = second["zig_version"].as_str().unwrap().to_string();
    lose(&mut inside, &version);
    let container = inside.names().pop().unwrap();
    inside.build_succeeds(&container);
    for _ in 0..20 {
        inside.pass(MISSING_IMAGE_PAUSE_MS);
        assert_eq!(inside.names(), Vec::<String>::new());
    }
    // A restart changes nothing about it.
    let mut inside = inside.killed().starts(&memory);
    inside.pass(MISSING_IMAGE_PAUSE_MS);
    assert_eq!(inside.names(), Vec::<String>::new());
    assert_eq!(inside.build(2)["state"], "queued");

    inside.engine.images = images;
    inside.pass(MISSING_IMAGE_PAUSE_MS);
    let container = inside.names().pop().unwrap();
    inside.build_succeeds(&container);
    let build = inside.build(2);
    assert_eq!(
        (&build["build_status"], &build["attempt"]),
        (&json!("success"), &json!(1))
    );
}

#[test]
fn a_source_is_fetched_with_any_image_that_is_there() {
    let (mut inside, _memory) = Inside::begin("image-of-a-fetch", 1);
    let images = inside.engine.images.clone();
    // Both are submitted while all images are there; the second one waits for the slot.
    inside.submit("first");
    inside.submit("second");
    lose(&mut inside, "0.16.0");
    let container = inside.names().pop().unwrap();
    inside.source_is_there(&container);
    // The first one's build under 0.15.2, then whatever waits for no image.
    let mut ended = 0;
    while let Some(container) = inside.names().pop() {
        match container.contains("fetch") || container.contains("source") {
            true => inside.source_is_there(&container),
            false => inside.build_succeeds(&container),
        }
        ended += 1;
    }
    assert_eq!(ended, 3, "two builds under 0.15.2, and a source");
    lose(&mut inside, "0.15.2");
    inside.engine.images = images;
    inside.pass(MISSING_IMAGE_PAUSE_MS);
    assert_eq!(inside.names().len(), 1);
}

#[test]
fn a_build_that_was_cancelled_while_its_image_was_missing_wakes_nobody() {
    let (mut inside, _memory) = Inside::begin("image-of-nobody", 1);
    inside.submit("package");
    let container = inside.names().pop().unwrap();
    inside.source_is_there(&container);
    let version = inside.build(2)["zig_version"].as_str().unwrap().to_string();
    lose(&mut inside, &version);
    let container = inside.names().pop().unwrap();
    inside.build_succeeds(&container);
    assert_eq!(inside.build(2)["state"], "queued");
    assert_eq!(inside.as_admin("DELETE", "/api/builds/2", b"").status, 200);
    inside.pass(2 * MISSING_IMAGE_PAUSE_MS);
    let now_ms = inside.now().mono_ms;
    let deadline = inside.app().deadline();
    assert!(
        deadline.is_none_or(|at| at > now_ms),
        "{deadline:?} {now_ms}"
    );
}

/// All images go, and the server hears of it; gives them.
fn lose_all(inside: &mut Inside) -> Vec<(String, String)> {
    let images = std::mem::take(&mut inside.engine.images);
    inside.pass(ENGINE_FRESH_MS + 1);
    inside.json("/api/health");
    images
}

#[test]
fn without_any_image_the_whole_queue_waits_and_the_server_sleeps() {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    let (mut inside, memory) = Inside::begin("no-image", 1);
    inside.submit("p");
    inside.submit("q");
    end_all(&mut inside);
    let images = lose_all(&mut inside);
    let push = json!({"ref": "refs/heads/main", "repository":
        {"clone_url": "https://github.com/x/p.git", "default_branch": "main"}});
    let headers = [("content-type", "application/json")];
    let pushed = inside.request("POST", "/hooks/push", &headers, push.to_string().as_bytes());
    assert_eq!(pushed.status, 202);
    inside.pass_step_by_step(2 * DAY_MS);
    assert_eq!(inside.names(), [""; 0]);
    let mut inside = inside.restarted(&memory);
    inside.pass_step_by_step(2 * MISSING_IMAGE_PAUSE_MS);

    // The push is answered, and the daily question of the other package.
    inside.engine.images = images;
    inside.pass_step_by_step(MISSING_IMAGE_PAUSE_MS);
    for remote in ["zigcheck-remote-1-1", "zigcheck-remote-2-2"] {
        assert_eq!(inside.names(), [remote]);
        inside.container_ends(remote, b"", 1);
        inside.pass_step_by_step(1_000);
    }
    assert_eq!(inside.names(), [""; 0]);
}

#[test]
fn a_search_whose_list_waits_for_an_image_goes_on() {
    let (mut inside, _memory) = Inside::begin("image-of-a-search", 1);
    inside.submit_failing("p");
    inside.submit("q");
    let asked = inside.request("POST", "/api/packages/p/compat", &[], b"");
    assert_eq!(asked.status, 202);
    let images = lose_all(&mut inside);
    inside.source_is_there("zigcheck-source-2-1");
    inside.pass_step_by_step(3 * MISSING_IMAGE_PAUSE_MS);
    assert_eq!(inside.names(), [""; 0]);

    inside.engine.images = images;
    inside.pass_step_by_step(MISSING_IMAGE_PAUSE_MS);
    while !inside.names().iter().any(|name| name.contains("-commits-")) {
        let build = inside.names().pop().expect("the list is asked for");
        inside.build_succeeds(&build);
        inside.pass_step_by_step(1_000);
    }
}
