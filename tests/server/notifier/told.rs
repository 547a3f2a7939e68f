//! Webhooks and mail.

use std::path::Path;

use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac};
use serde_json::json;
use sha2::Sha256;

use super::World;
use super::receiver::{Receiver, json as answer};
use crate::common::server::write_script;

const URL: &str = "https://github.com/x/turning";

#[test]
fn a_webhook_is_signed_and_has_the_event_with_its_package() {
    let mut world = World::start("notifier-webhook");
    world.submit("turning", URL);
    let receiver = Receiver::start(|_, _| answer(204, ""));
    let hook = format!("{}/hook?a=[b]", receiver.url());
    world.configure(&json!({ "packages": [{ "package": "*", "webhooks": [hook] }] }));
    world.notify();
    let build = world.check("turning", "second", false);
    let requests = receiver.wait_for(2, |_| true);
    assert_eq!(requests.len(), 2, "the verdict, and that it breaks");
    for (request, kind) in requests.iter().zip(["build", "newly_broken"]) {
        assert_eq!(request.line(), "POST /hook?a=[b]");
        assert_eq!(request.header("content-type"), "application/json");
        assert_eq!(request.header("x-zigcheck-event"), kind);
        let mac = Hmac::<Sha256>::new_from_slice(b"a-secret-of-webhooks").expect("a key");
        let mac = mac
            .chain_update(request.body.as_bytes())
            .finalize()
            .into_bytes();
        let signature = format!("sha256={}", HEXLOWER.encode(&mac));
        assert_eq!(request.header("x-zigcheck-signature-256"), signature);
        let body = request.json();
        assert_eq!((&body["type"], &body["id"]), (&json!(kind), &build["id"]));
        assert_eq!(
            (&body["package"], &body["package_url"]),
            (&json!("turning"), &json!(URL))
        );
        assert_eq!(body["commit"], build["commit"]);
        assert_eq!(body["state"], "finished");
    }
    let ids: Vec<&str> = requests
        .iter()
        .map(|request| request.header("x-zigcheck-delivery"))
        .collect();
    assert!(ids[0].len() == 32 && ids[0] != ids[1], "{ids:?}");
}

/// A sendmail that keeps each message with its arguments, and cannot take the first one at once.
fn sendmail(dir: &Path) -> String {
    let path = dir.join("sendmail");
    let script = format!(
        "#!/bin/sh\ncd '{}'\n[ -e tried ] || {{ : >tried; echo not now >&2; exit 75; }}\n\
         n=$(ls | grep -c '^mail-')\n{{ echo \"$@\"; cat; }} >part-$n && mv part-$n mail-$n\n",
        dir.display()
    );
    write_script(&path, &script);
    path.display().to_string()
}

#[test]
fn a_mail_says_that_a_package_breaks_and_that_it_works_again() {
    let mut world = World::start("notifier-mail");
    world.submit("turning", URL);
    let mail = json!({ "from": "zigcheck@example.org", "sendmail": sendmail(&world.dir) });
    let rows = json!([{ "package": "turning", "mail": ["me@example.org"] }]);
    world.configure(&json!({ "mail": mail, "packages": rows }));
    world.notify();
    let message = |world: &World, nth: u32| {
        let path = world.dir.join(format!("mail-{nth}"));
        world.until(|_| path.exists());
        std::fs::read_to_string(path).expect("a message")
    };
    let broken = world.check("turning", "second", false);
    let text = message(&world, 0);
    assert!(
        text.starts_with("-i -f zigcheck@example.org me@example.org\nFrom: zigcheck@example.org\n"),
        "{text}"
    );
    assert!(
        text.contains("\nSubject: turning fails under Zig 0.16.0\n"),
        "{text}"
    );
    assert!(
        text.contains("\nAuto-Submitted: auto-generated\n"),
        "{text}"
    );
    assert!(
        text.contains(&format!(
            "https://zig.example.org/builds/{}\n",
            broken["id"]
        )),
        "{text}"
    );
    assert!(
        world.log().contains("sendmail ended with 75: not now"),
        "{}",
        world.log()
    );
    world.check("turning", "third", true);
    let text = message(&world, 1);
    assert!(
        text.contains("\nSubject: turning works again under Zig 0.16.0\n"),
        "{text}"
    );
    world.stop();
    assert!(!world.dir.join("mail-2").exists(), "there are two");
}
