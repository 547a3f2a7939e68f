//! The documentation as HTML.

use maud::{Markup, PreEscaped, html};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd};

use crate::app::render::html::layout::{self, Head};
use crate::app::render::html::parts::{command, legend};
use crate::app::render::view::docs::{CallLine, DocsView, MANUAL, ManualPage, manual_page};
use crate::app::render::view::site::Site;

pub fn html(view: &DocsView) -> String {
    let head = Head {
        title: "Documentation: zigcheck".to_string(),
        description: "The API, verdicts and reasons, badges, and recipes for CI.".to_string(),
        path: "/docs".to_string(),
        ..Head::default()
    };
    let main = html! {
        h1 { "Documentation" }
        ul {
            @for page in MANUAL { li { a href={ "/docs/" (page.name) } { (page.title) } } }
            li { a href="/openapi.json" { "The API as OpenAPI" } }
        }
        h2 { "What signs and colours mean" }
        (legend())
        h2 { "The API" }
        @for call in &view.calls { (a_call(call)) }
    };
    layout::page(&view.site, &head, &main)
}

fn a_call(call: &CallLine) -> Markup {
    html! {
        details {
            summary { code { (call.method) " " (call.path) } " " (call.summary) }
            @if !call.parameters.is_empty() { p { "Parameters: " code { (call.parameters) } } }
            @if !call.fields.is_empty() { p { "Fields of the body: " code { (call.fields) } } }
            @if call.needs_token { p { "With the admin token." } }
            @if let Some(curl) = &call.curl { (command(curl.as_str())) }
            @if let Some(example) = call.example { pre tabindex="0" { (example) } }
        }
    }
}

/// A page of the manual.
pub fn manual(site: &Site, page: &ManualPage) -> String {
    let head = Head {
        title: format!("{}: zigcheck", page.title),
        description: format!("{}, from the manual of zigcheck.", page.title),
        path: format!("/docs/{}", page.name),
        ..Head::default()
    };
    let mut body = String::new();
    pulldown_cmark::html::push_html(&mut body, events(page.markdown).into_iter());
    // A table that is wider than the screen scrolls by itself.
    let body = body
        .replace(
            "<table>",
            "<div class=\"scroll prose\" tabindex=\"0\"><table>",
        )
        .replace("</table>", "</table></div>");
    let main = html! {
        p { a href="/docs" { "Documentation" } }
        (PreEscaped(body))
    };
    layout::page(site, &head, &main)
}

/// The Markdown with an id for each heading, and with links that lead to pages.
fn events(markdown: &'static str) -> Vec<Event<'static>> {
    let all: Vec<Event> = Parser::new_ext(markdown, Options::ENABLE_TABLES).collect();
    let mut events = Vec::new();
    let mut is_linked = false;
    for (nth, event) in all.iter().enumerate() {
        events.push(match event {
            Event::Start(Tag::Heading { level, .. }) => Event::Start(Tag::Heading {
                level: *level,
                id: Some(slug(&all[nth + 1..]).into()),
                classes: Vec::new(),
                attrs: Vec::new(),
            }),
            Event::Start(Tag::Link {
                dest_url,
                title,
                link_type,
                ..
            }) => {
                let target = target(dest_url);
                is_linked = target.is_some();
                let Some(target) = target else { continue };
                Event::Start(Tag::Link {
                    link_type: *link_type,
                    dest_url: target,
                    title: title.clone(),
                    id: CowStr::Borrowed(""),
                })
            }
            Event::End(TagEnd::Link) if !is_linked => continue,
            event => event.clone(),
        });
    }
    events
}

/// The id of a heading, as forges make it: its words in lower case with dashes between.
fn slug(behind: &[Event]) -> String {
    let heading = behind
        .iter()
        .take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
    let text: String = heading
        .filter_map(|event| match event {
            Event::Text(text) | Event::Code(text) => Some(text.to_lowercase()),
            _ => None,
        })
        .collect();
    let kept = text
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The address of what the manual names; none for files that only the repository has.
fn target(url: &str) -> Option<CowStr<'static>> {
    if url.starts_with('#') || url.starts_with("https://") {
        return Some(url.to_string().into());
    }
    let (file, part) = url.split_once('#').unwrap_or((url, ""));
    let page = manual_page(file.strip_suffix(".md")?)?;
    let part = if part.is_empty() {
        String::new()
    } else {
        format!("#{part}")
    };
    Some(format!("/docs/{}{part}", page.name).into())
}
