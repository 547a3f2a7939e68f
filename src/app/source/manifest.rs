//! The dependencies that the manifests of a tree name, and their digest. `named_dependencies` and
//! `read_manifests` of `images/common.sh` compute the same digest for the same tree.
//!
//! This does not parse ZON; it only finds every `.url` and `.hash` with its value. Where the compiler might
//! find one that this does not, there is no digest: the cached dependencies would lack one.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::app::source::limits::{DEPENDENCIES_LIMIT, DEPENDENCIES_LIMIT_BYTES};

/// The dependencies of the manifests read so far.
#[derive(Debug, Default)]
pub struct ManifestDependencies {
    /// `URL HASH` of each dependency, as written there; `-` for a missing hash.
    lines: BTreeSet<Vec<u8>>,
    bytes: usize,
    /// Some dependency may be missing here.
    incomplete: bool,
    reader: Reader,
}

/// The state of reading one manifest.
#[derive(Debug, Default)]
struct Reader {
    url: Vec<u8>,
    hash: Vec<u8>,
    /// The last token was a dot.
    after_dot: bool,
    /// The last two tokens were a dot and this key.
    key: Option<Key>,
    /// The value of this key comes next.
    expected: Option<Key>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Url,
    Hash,
}

enum Token<'a> {
    Brace,
    Dot,
    Equals,
    /// `name` or `@"name"`
    Name(&'a [u8]),
    /// A string, without its quotes.
    Text(&'a [u8]),
    Other,
    /// Syntax that only the compiler reads right.
    Unclear,
}

impl ManifestDependencies {
    /// Adds the dependencies of one whole manifest.
    pub fn read(&mut self, manifest: &[u8]) {
        // The shell script sees no NUL bytes either.
        let text: Vec<u8> = manifest.iter().map(|byte| (*byte).max(1)).collect();
        for mut line in text.split(|byte| *byte == b'\n') {
            while let Some((token, rest)) = next_token(line) {
                self.handle(token);
                line = rest;
            }
        }
        // The end of the file ends the last dependency.
        self.handle(Token::Brace);
    }

    /// Records that some manifest cannot be read.
    pub fn mark_incomplete(&mut self) {
        self.incomplete = true;
        self.lines.clear();
    }

    /// The digest of all dependencies, empty without any; `None` if some may be missing here.
    pub fn digest(&self) -> Option<String> {
        if self.incomplete {
            return None;
        }
        if self.lines.is_empty() {
            return Some(String::new());
        }
        let mut hash = Sha256::new();
        for line in &self.lines {
            hash.update(line);
            hash.update(b"\n");
        }
        Some(HEXLOWER.encode(&hash.finalize()))
    }

    fn handle(&mut self, token: Token) {
        match (self.reader.expected.take(), &token) {
            (Some(Key::Url), Token::Text(value)) => {
                if !self.reader.url.is_empty() {
                    self.end_dependency();
                }
                self.reader.url = value.to_vec();
                return;
            }
            (Some(Key::Hash), Token::Text(value)) => {
                self.reader.hash = value.to_vec();
                return;
            }
            (Some(_), _) | (_, Token::Unclear) => self.mark_incomplete(),
            _ => {}
        }
        match token {
            Token::Brace => self.end_dependency(),
            Token::Equals => self.reader.expected = self.reader.key,
            _ => {}
        }
        self.reader.key = match token {
            Token::Name(b"url") if self.reader.after_dot => Some(Key::Url),
            Token::Name(b"hash") if self.reader.after_dot => Some(Key::Hash),
            _ => None,
        };
        self.reader.after_dot = matches!(token, Token::Dot);
    }

    fn end_dependency(&mut self) {
        let url = std::mem::take(&mut self.reader.url);
        let hash = std::mem::take(&mut self.reader.hash);
        if url.is_empty() || self.incomplete {
            return;
        }
        let hash = if hash.is_empty() { b"-" } else { &hash[..] };
        let line = [&url, &b" "[..], hash].concat();
        let bytes = line.len() + 1;
        if self.lines.insert(line) {
            self.bytes += bytes;
        }
        if self.lines.len() > DEPENDENCIES_LIMIT || self.bytes > DEPENDENCIES_LIMIT_BYTES {
            self.mark_incomplete();
        }
    }
}

/// The next token of a line, and the rest of the line; `None` at the end or before a comment.
fn next_token(line: &[u8]) -> Option<(Token<'_>, &[u8])> {
    let start = line.iter().position(|byte| !b" \t\r".contains(byte))?;
    let line = &line[start..];
    let (token, length) = match line {
        [b'/', b'/', ..] => return None,
        [b'\\', b'\\', ..] => (Token::Other, line.len()),
        [b'"', rest @ ..] => match closing_quote(rest) {
            Some(end) => (Token::Text(&rest[..end]), end + 2),
            None => (Token::Unclear, 1),
        },
        [b'@', b'"', rest @ ..] => match closing_quote(rest) {
            Some(end) if rest[..end].contains(&b'\\') => (Token::Unclear, end + 3),
            Some(end) => (Token::Name(&rest[..end]), end + 3),
            None => (Token::Other, 1),
        },
        [byte, ..] if is_letter(*byte) => {
            let is_name = |byte: &u8| is_letter(*byte) || byte.is_ascii_digit();
            let end = line.iter().position(|byte| !is_name(byte));
            let end = end.unwrap_or(line.len());
            (Token::Name(&line[..end]), end)
        }
        [b'{' | b'}', ..] => (Token::Brace, 1),
        [b'.', ..] => (Token::Dot, 1),
        [b'=', ..] => (Token::Equals, 1),
        [b'\'', ..] => (Token::Unclear, 1),
        _ => (Token::Other, 1),
    };
    Some((token, &line[length..]))
}

/// The position of the closing quote, in text that begins after the opening one.
fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

/// True if some line, cut at `//`, has `.url`, optional blanks and `=`. The templates of `zig init` have
/// such lines in comments. The `//` of a URL comes after the key.
pub fn names_a_url(manifest: &[u8]) -> bool {
    const KEY: &[u8] = b".url";
    manifest.split(|byte| *byte == b'\n').any(|line| {
        let comment = line.windows(2).position(|pair| pair == b"//");
        let code = &line[..comment.unwrap_or(line.len())];
        let mut keys = code
            .windows(KEY.len())
            .enumerate()
            .filter(|(_, window)| *window == KEY);
        keys.any(|(at, _)| code[at + KEY.len()..].trim_ascii_start().starts_with(b"="))
    })
}
