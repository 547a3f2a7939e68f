//! Answers to forms: the browser goes on to another page, or sees the form again with what is wrong.

use serde_json::Value;

use crate::app::render::view::parts::package_path;
use crate::app::state::State;
use crate::app::web::answer::Error;
use crate::app::web::handlers::pages;
use crate::app::web::routes::forms::FormCall;
use crate::interface::message::Response;

/// The answer to a form that led to that page, or to an error.
pub fn answer(
    state: &State,
    form: FormCall,
    page: Result<String, Error>,
) -> Result<Response, Error> {
    let refused = match page {
        Ok(page) => return Ok(see_other(&page)),
        Err(Error::Refused(refused)) => refused,
        Err(error) => return Err(error),
    };
    let Some(typed) = form.typed else {
        return Err(refused.into());
    };
    let said: Value = serde_json::from_slice(&refused.body).unwrap_or_default();
    // The repository is known: this is its page.
    if let (409, Some(name)) = (refused.status, said["name"].as_str()) {
        return Ok(see_other(&package_path(name)));
    }
    let sentence = match (refused.status, said["error"].as_str()) {
        (409, Some(sentence)) => format!("name: {sentence}"),
        (_, sentence) => sentence.unwrap_or("it was refused").to_string(),
    };
    let page = pages::submit(state, form.options, &typed, Some(&sentence))?;
    Ok(pages::in_place_of(refused, page))
}

/// The browser asks for that page next, by GET.
fn see_other(path: &str) -> Response {
    let text = format!("{path}\n");
    Response::new(303, "text/plain; charset=utf-8", text).with("Location", path)
}
