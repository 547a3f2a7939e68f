//! Whether the server can do its work, and why not.

use serde_json::json;

use crate::app::render::json;
use crate::app::state::State;
use crate::app::web::handlers::nodes;
use crate::interface::message::Response;

pub fn health(state: &State) -> Response {
    let (engine, now) = (&state.services.engine, state.now());
    let is_connected = state.services.store.is_connected();
    let latest = engine.latest();
    let is_healthy = is_connected && latest.is_ok();
    let missing = engine.missing(&state.settings.zig_versions);
    let missing: Vec<String> = missing
        .map(|version| format!("zigcheck:{version}"))
        .collect();
    let mut value = json!({
        "status": if is_healthy { "healthy" } else { "unhealthy" },
        "timestamp": json::time(now.unix_ms),
        "database": if is_connected { "connected" } else { "unavailable" },
        "docker": if latest.is_ok() { "ok" } else { "unavailable" },
        "disk": if state.disk.is_low { "low" } else { "ok" },
        "fetch_network": state.fetch_network(),
        "proxy_headers": state.proxy_headers.as_str(),
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": state.uptime_seconds(),
    });
    if let Some(nodes) = nodes::counts_json(state) {
        value["nodes"] = nodes;
    }
    if let Err(why) = latest {
        value["error"] = json!(why);
    } else if !missing.is_empty() {
        value["missing_images"] = json!(missing);
        value["images"] = json!(state.images_made());
    }
    Response::json(if is_healthy { 200 } else { 503 }, &value)
}
