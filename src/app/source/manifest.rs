//! What the manifests of a tree ask for, and its digest: of the same tree the same as that which
//! `named_dependencies` and `read_manifests` of `images/common.sh` make.
//!
//! This reads no ZON, only what is needed to find every `.url` and `.hash` with its value. Where a
//! compiler could read one that is not found here, there is no digest: who relied on it would go
//! without a dependency.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::app::source::limits::{ASKED_LIMIT, ASKED_LIMIT_BYTES};

/// What the manifests read so far ask for.
#[derive(Debug, Default)]
pub struct Asked {
    /// `URL HASH` of each dependency, as it is written there; `-` where it has no hash.
    lines: BTreeSet<Vec<u8>>,
    bytes: usize,
    /// Not all is known.
    unclear: bool,
    reader: Reader,
}

/// Where in a manifest the reader is.
#[derive(Debug, Default)]
struct Reader {
    url: Vec<u8>,
    hash: Vec<u8>,
    /// The token before this one was a dot.
    dot: bool,
    /// The tokens before this one were a dot and this key.
    key: Option<Key>,
    /// The value of this key comes next.
    want: Option<Key>,
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
    /// What is between the quotes.
    Text(&'a [u8]),
    Other,
    /// What only a compiler reads right.
    Unclear,
}

impl Asked {
    /// Takes one manifest, whole.
    pub fn read(&mut self, manifest: &[u8]) {
        // A line of text in a shell holds no NUL.
        let text: Vec<u8> = manifest.iter().map(|byte| (*byte).max(1)).collect();
        for mut line in text.split(|byte| *byte == b'\n') {
            while let Some((token, rest)) = next(line) {
                self.take(token);
                line = rest;
            }
        }
        // The last dependency ends with its file.
        self.take(Token::Brace);
    }

    /// There is a manifest that cannot be read.
    pub fn give_up(&mut self) {
        self.unclear = true;
        self.lines.clear();
    }

    /// The hash of all that is asked for, empty where nothing is; none where not all is known.
    pub fn digest(&self) -> Option<String> {
        if self.unclear {
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

    fn take(&mut self, token: Token) {
        let want = self.reader.want.take();
        match (want, &token) {
            (Some(Key::Url), Token::Text(value)) => {
                if !self.reader.url.is_empty() {
                    self.end_of_one();
                }
                self.reader.url = value.to_vec();
                return;
            }
            (Some(Key::Hash), Token::Text(value)) => {
                self.reader.hash = value.to_vec();
                return;
            }
            (Some(_), _) | (_, Token::Unclear) => self.give_up(),
            _ => {}
        }
        match token {
            Token::Brace => self.end_of_one(),
            Token::Equals => self.reader.want = self.reader.key,
            _ => {}
        }
        self.reader.key = match token {
            Token::Name(b"url") if self.reader.dot => Some(Key::Url),
            Token::Name(b"hash") if self.reader.dot => Some(Key::Hash),
            _ => None,
        };
        self.reader.dot = matches!(token, Token::Dot);
    }

    fn end_of_one(&mut self) {
        let url = std::mem::take(&mut self.reader.url);
        let hash = std::mem::take(&mut self.reader.hash);
        if url.is_empty() || self.unclear {
            return;
        }
        let hash = if hash.is_empty() { b"-" } else { &hash[..] };
        let line = [&url, &b" "[..], hash].concat();
        let bytes = line.len() + 1;
        if self.lines.insert(line) {
            self.bytes += bytes;
        }
        if self.lines.len() > ASKED_LIMIT || self.bytes > ASKED_LIMIT_BYTES {
            self.give_up();
        }
    }
}

/// The next token of a line, and what is behind it. Comments are none.
fn next(line: &[u8]) -> Option<(Token<'_>, &[u8])> {
    let start = line.iter().position(|byte| !b" \t\r".contains(byte))?;
    let line = &line[start..];
    let (token, length) = match line {
        [b'/', b'/', ..] => return None,
        [b'\\', b'\\', ..] => (Token::Other, line.len()),
        [b'"', rest @ ..] => match closing(rest) {
            Some(end) => (Token::Text(&rest[..end]), end + 2),
            None => (Token::Unclear, 1),
        },
        [b'@', b'"', rest @ ..] => match closing(rest) {
            Some(end) if rest[..end].contains(&b'\\') => (Token::Unclear, end + 3),
            Some(end) => (Token::Name(&rest[..end]), end + 3),
            None => (Token::Other, 1),
        },
        [byte, ..] if is_letter(*byte) => {
            let is_of_name = |byte: &u8| is_letter(*byte) || byte.is_ascii_digit();
            let end = line.iter().position(|byte| !is_of_name(byte));
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

/// Where the quote is that closes a string, which this is behind the first quote of.
fn closing(text: &[u8]) -> Option<usize> {
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

/// A line, cut at `//`, holds `.url`, blanks if any, and `=`. The templates of `zig init` have such
/// lines in comments; in a URL itself the `//` comes behind.
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
