//! The documentation as text.

use crate::app::render::view::docs::{DocsView, MANUAL};

pub fn text(view: &DocsView) -> String {
    let mut text = "The manual:\n".to_string();
    for page in MANUAL {
        text += &format!("  /docs/{:<11} {}\n", page.name, page.title);
    }
    text += "  /openapi.json    the API as OpenAPI\n\nThe API:\n";
    for call in &view.calls {
        text += &format!("\n{} {}\n  {}\n", call.method, call.path, call.summary);
        for (word, names) in [
            ("parameters", call.parameters),
            ("fields of the body", call.fields),
        ] {
            if !names.is_empty() {
                text += &format!("  {word}: {names}\n");
            }
        }
        if let Some(curl) = &call.curl {
            text += &format!("  {curl}\n");
        }
        for line in call.example.unwrap_or_default().lines() {
            text += &format!("    {line}\n");
        }
    }
    text
}
