//! Webhooks: an event with what a receiver needs to know of its package, signed.

use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::notify::config::{Config, Row};
use crate::notify::facts::Facts;
use crate::notify::fields::authority;
use crate::notify::limits::CALL_LIMIT_S;
use crate::notify::outcome::{Outcome, good};
use crate::notify::store::{Kind, NewTask};
use crate::notify::texts;
use crate::shell::ask::Reply;
use crate::shell::curl::Call;

/// The task that posts an event to that URL.
pub fn task(config: &Config, facts: &Facts, url: &str) -> NewTask {
    let mut body = facts.event().clone();
    body["package_url"] = json!(facts.url());
    body["build_url"] = json!(texts::build_url(config, facts.build()));
    body["commit"] = json!(facts.commit());
    let key = format!("webhook/{}/{url}", facts.number());
    let id = HEXLOWER.encode(&Sha256::digest(key.as_bytes())[..16]);
    let data = json!({
        "url": url,
        "id": id,
        "event": facts.event()["type"],
        "body": body.to_string(),
    });
    NewTask {
        subject: key.clone(),
        key,
        kind: Kind::Webhook,
        receiver: authority(url).to_string(),
        stage: "post",
        data: data.to_string(),
        supersedes: false,
    }
}

pub fn send(config: &Config, data: &Value) -> Result<Call, String> {
    let text = |name: &str| data[name].as_str().unwrap_or("");
    let url = text("url");
    let is_asked = |row: &Row| row.asked.webhooks.iter().any(|one| one == url);
    let secret = config.webhook_secret.as_ref();
    let secret = secret.filter(|_| config.rows.iter().any(is_asked));
    let secret = secret.ok_or("the webhook is not asked for any more")?;
    let body = text("body");
    Ok(Call {
        method: "POST",
        url: url.to_string(),
        headers: vec![
            ("X-Zigcheck-Event", text("event").to_string()),
            // The same at each try: by it a receiver knows what it has already.
            ("X-Zigcheck-Delivery", text("id").to_string()),
            (
                "X-Zigcheck-Signature-256",
                format!("sha256={}", signature(secret, body.as_bytes())),
            ),
        ],
        body: Some(body.to_string()),
        limit_s: CALL_LIMIT_S,
    })
}

/// HMAC-SHA256 of the body under the secret, in hex.
pub fn signature(secret: &str, body: &[u8]) -> String {
    // A key may have any length.
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
    let mac = mac.map(|mac| mac.chain_update(body).finalize().into_bytes());
    mac.map_or_else(|_| String::new(), |mac| HEXLOWER.encode(&mac))
}

pub fn answered(reply: Result<Reply, String>) -> Outcome {
    match good(reply) {
        Ok(_) => Outcome::Done(Vec::new()),
        Err(outcome) => outcome,
    }
}
