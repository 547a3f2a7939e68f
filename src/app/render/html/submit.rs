//! The page with the form that submits a package, as HTML.

use maud::{Markup, html};

use crate::app::render::html::layout::{self, Head};
use crate::app::render::html::parts::command;
use crate::app::render::view::submit::{Field, SubmitView};

pub fn html(view: &SubmitView) -> String {
    let fault = view.fault.is_some() || view.fields.iter().any(|field| field.fault.is_some());
    let title = match fault {
        true => "Not submitted: zigcheck",
        false => "Submit a package: zigcheck",
    };
    let head = Head {
        title: title.to_string(),
        description: "Have a Zig package built and tested under each Zig version.".to_string(),
        path: "/submit".to_string(),
        ..Head::default()
    };
    let (first, others) = view.fields.split_at(1);
    let is_open = others
        .iter()
        .any(|field| field.fault.is_some() || !field.value.as_str().is_empty());
    let main = html! {
        h1 { "Submit a package" }
        p {
            "Its repository is fetched, built, tested and used as a dependency under Zig "
            @for (nth, version) in view.toolchains.iter().enumerate() { @if nth > 0 { ", " } (version) }
            ", and checked again each day. "
            (view.takes)
        }
        @if let Some(fault) = &view.fault { p.fault role="alert" { (fault) } }
        form.field method="post" action="/submit" {
            @for shown in first { (field(shown)) }
            details open[is_open] {
                summary { "Branch, directory, name" }
                @for shown in others { (field(shown)) }
            }
            p { button { "Submit" } }
        }
        p.soft { "Hosts that are allowed: " (view.hosts) }
        h2 { "By curl" }
        (command(view.command.as_str()))
        h2 { "Check the tree you are in, without adding it" }
        (command(view.site.check_command().as_str()))
    };
    layout::page(&view.site, &head, &main)
}

fn field(field: &Field) -> Markup {
    let (hint, fault) = (
        format!("{}-hint", field.name),
        format!("{}-fault", field.name),
    );
    let described = match field.fault {
        Some(_) => format!("{fault} {hint}"),
        None => hint.clone(),
    };
    html! {
        label for=(field.name) { (field.label) }
        input id=(field.name) name=(field.name) value=(field.value) aria-describedby=(described)
            aria-invalid=[field.fault.as_ref().map(|_| "true")] required[field.name == "url"]
            maxlength="2000" autocomplete="off";
        @if let Some(sentence) = &field.fault { p.fault id=(fault) { (sentence) } }
        p.soft id=(hint) { (field.hint) }
    }
}
