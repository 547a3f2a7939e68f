//! The fields of a JSON object, and errors that name the one at fault.

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::notify::limits::URL_LIMIT_BYTES;

/// An object, and where it stands: `forges[2]`; empty at the top.
pub struct Fields<'a> {
    object: &'a Map<String, Value>,
    place: String,
}

impl<'a> Fields<'a> {
    /// The fields of an object that has none beside `known`.
    pub fn of(value: &'a Value, place: &str, known: &[&str]) -> Result<Fields<'a>, String> {
        let of_place = |sentence: &str| match place {
            "" => sentence.to_string(),
            place => format!("{place}: {sentence}"),
        };
        let object = value.as_object();
        let object = object.ok_or_else(|| of_place("must be an object"))?;
        match object.keys().find(|name| !known.contains(&&name[..])) {
            None => Ok(Fields {
                object,
                place: place.to_string(),
            }),
            Some(name) => {
                let allowed = known.join(", ");
                Err(of_place(&format!(
                    "unknown field {name:?}; allowed: {allowed}"
                )))
            }
        }
    }

    /// The place of a field.
    pub fn at(&self, name: &str) -> String {
        match &self.place[..] {
            "" => name.to_string(),
            place => format!("{place}.{name}"),
        }
    }

    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    pub fn text(&self, name: &str) -> Result<Option<&'a str>, String> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let text = value.as_str().filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| format!("{}: must be a text", self.at(name)))?;
        Ok(Some(text))
    }

    pub fn needed(&self, name: &str) -> Result<&'a str, String> {
        self.text(name)?
            .ok_or_else(|| format!("{}: is missing", self.at(name)))
    }

    pub fn path(&self, name: &str) -> Result<Option<PathBuf>, String> {
        Ok(self.text(name)?.map(PathBuf::from))
    }

    pub fn flag(&self, name: &str) -> Result<bool, String> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(format!("{}: must be true or false", self.at(name))),
        }
    }

    pub fn number(&self, name: &str, from: u64, to: u64) -> Result<Option<u64>, String> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let number = value.as_u64().filter(|n| (from..=to).contains(n));
        let fault = || {
            format!(
                "{}: must be a whole number from {from} to {to}",
                self.at(name)
            )
        };
        number.map(Some).ok_or_else(fault)
    }

    /// The items of a list, each with its place; none where it is absent.
    pub fn list(&self, name: &str, limit: usize) -> Result<Vec<(String, &'a Value)>, String> {
        let Some(value) = self.get(name) else {
            return Ok(Vec::new());
        };
        let items = value.as_array().filter(|items| items.len() <= limit);
        let fault = || format!("{}: must be a list of at most {limit}", self.at(name));
        let items = items.ok_or_else(fault)?;
        let place = |nth: usize| format!("{}[{nth}]", self.at(name));
        Ok(items
            .iter()
            .enumerate()
            .map(|(nth, item)| (place(nth), item))
            .collect())
    }

    /// A list of texts, each read by `read`.
    pub fn texts<T>(
        &self,
        name: &str,
        limit: usize,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let items = self.list(name, limit)?.into_iter();
        let read = |(place, value): (String, &Value)| {
            let text = value.as_str().ok_or("must be a text".to_string());
            text.and_then(&read)
                .map_err(|fault| format!("{place}: {fault}"))
        };
        items.map(read).collect()
    }

    /// The URL of a field, without a closing slash.
    pub fn url(&self, name: &str) -> Result<Option<String>, String> {
        let text = self.text(name)?;
        let url = text.map(|text| url(text).map(|url| url.trim_end_matches('/').to_string()));
        url.transpose()
            .map_err(|fault| format!("{}: {fault}", self.at(name)))
    }
}

/// An URL that requests may go to.
pub fn url(text: &str) -> Result<String, String> {
    let rest = ["https://", "http://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let authority = rest.map_or("", |rest| rest.split(['/', '?', '#']).next().unwrap_or(""));
    let is_plain = text.bytes().all(|b| b.is_ascii_graphic()) && text.len() <= URL_LIMIT_BYTES;
    match is_plain && !authority.is_empty() && !authority.contains('@') && !text.contains('#') {
        true => Ok(text.to_string()),
        false => Err("must be an URL of http or https, without a name before the host".to_string()),
    }
}

/// The host of an URL, with its port.
pub fn authority(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}
