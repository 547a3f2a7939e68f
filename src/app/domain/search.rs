//! What somebody types to find packages. Every text is a search: what is no filter is a word.

use crate::app::domain::limits::SEARCH_LIMIT_TERMS;
use crate::app::domain::verdict::BuildStatus;

/// A search, taken apart. ASCII letters are in lower case wherever case does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    /// Each is a part of name, description or URL.
    pub words: Vec<String>,
    /// `error:PART`: each is a part of an error log.
    pub errors: Vec<String>,
    /// `zig:VERSION` and `zig:VERSION=STATUS`.
    pub cells: Vec<(String, Option<BuildStatus>)>,
    pub owners: Vec<String>,
    pub licenses: Vec<String>,
}

impl Search {
    pub fn parse(text: &str) -> Search {
        let mut search = Search::default();
        let mut rest = text.trim_start();
        for _ in 0..SEARCH_LIMIT_TERMS {
            if rest.is_empty() {
                break;
            }
            let (key, value, behind) = term(rest);
            let whole = &rest[..rest.len() - behind.len()];
            if !search.filter(key, value) {
                let word = if key.is_empty() { value } else { whole };
                search.words.push(word.to_ascii_lowercase());
            }
            rest = behind.trim_start();
        }
        search.words.retain(|word| !word.is_empty());
        search
    }

    /// Adds a filter; false if it is none.
    fn filter(&mut self, key: &str, value: &str) -> bool {
        let of = match key {
            _ if value.is_empty() => return false,
            "error" => &mut self.errors,
            "owner" => &mut self.owners,
            "license" => &mut self.licenses,
            "zig" => {
                let (version, status) = match value.split_once('=') {
                    None => (value, None),
                    Some((version, word)) => match BuildStatus::parse(word) {
                        None => return false,
                        status => (version, status),
                    },
                };
                self.cells.push((version.to_string(), status));
                return true;
            }
            _ => return false,
        };
        of.push(value.to_ascii_lowercase());
        true
    }
}

/// The first term of a text that begins with one: what stands before its colon, its value, and the text behind it. A
/// value in quotes may have blanks; a quote without another one is a character.
fn term(text: &str) -> (&str, &str, &str) {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let is_key = |key: &&str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase());
    let key = text[..end].split_once(':').map(|(key, _)| key);
    let key = key.filter(is_key).unwrap_or_default();
    let begin = if key.is_empty() { 0 } else { key.len() + 1 };
    if let Some(quoted) = text[begin..].strip_prefix('"')
        && let Some((value, behind)) = quoted.split_once('"')
    {
        return (key, value, behind);
    }
    (key, &text[begin..end], &text[end..])
}
