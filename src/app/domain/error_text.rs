//! The text of an error without what is one package's own: paths, numbers, addresses, hashes and type arguments.

use crate::app::domain::error_place::is_hash;
use crate::app::domain::limits::ERROR_MESSAGE_LIMIT_BYTES;

const PATH: &str = "PATH";
const HASH: &str = "HASH";
const NUMBER: &str = "N";
/// Hex digits that are no word of a language.
const HEX_BYTES: usize = 16;
/// Marks of names that the compiler makes up; a number follows.
const ANONYMOUS: &[&str] = &[
    "__anon_",
    "__struct_",
    "__enum_",
    "__union_",
    "__opaque_",
    "__func_",
];
/// Ends of messages that name a file, with or without its folder.
const FILE_ERRORS: &[&str] = &[
    "FileNotFound",
    "AccessDenied",
    "IsDir",
    "NotDir",
    "FileSystemFailure",
];
/// Longest ending of a file's name.
const ENDING_BYTES: usize = 4;
/// Words before parentheses that hold no type arguments.
const KEYWORDS: &[&str] = &["align", "callconv", "addrspace", "linksection", "fn"];
/// Words before braces that list what a type without a name has.
const LISTS: &[&str] = &["error", "struct", "enum", "union"];

/// The message as all packages with that error have it; of a long one the first `ERROR_MESSAGE_LIMIT_BYTES`. It takes
/// time linear in the length of the message.
pub fn generic(message: &str) -> String {
    let message = &message[..message.floor_char_boundary(ERROR_MESSAGE_LIMIT_BYTES)];
    // The name of a header is what is missing, not a path of this machine.
    let is_header = message.ends_with(" file not found") || message.ends_with("' not found");
    let closing = closing_brackets(message);
    let names_file = FILE_ERRORS.iter().any(|error| message.ends_with(error));
    let mut text = String::with_capacity(message.len());
    let mut at = 0;
    while let Some(c) = message[at..].chars().next() {
        let rest = &message[at..];
        let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
        if word.is_empty() {
            let is_gap = c.is_whitespace() || c.is_control();
            match is_gap {
                false => text.push(c),
                true if text.ends_with(' ') => {}
                true => text.push(' '),
            }
            at += c.len_utf8();
            continue;
        }
        at += word.len();
        if message[at..].starts_with("://") {
            at += message[at..]
                .find(|c: char| {
                    c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ')' | '>' | ',')
                })
                .unwrap_or(message.len() - at);
            text.push_str("URL");
            continue;
        }
        if is_header {
            text.push_str(word);
            continue;
        }
        match names_file && has_ending(word) {
            true => text.push_str(PATH),
            false => push_word(&mut text, word),
        }
        if is_path(word) {
            at += line_numbers(&message[at..]);
        } else {
            at = skip_arguments(message, word, at, &closing);
        }
    }
    let text = text.trim_start_matches("PATH: ").trim();
    text.trim_matches('=')
        .trim()
        .trim_end_matches([':', ' '])
        .to_string()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-' | '+' | '@' | '~')
}

/// Adds the word, or what stands for it.
fn push_word(text: &mut String, word: &str) {
    // The end of a sentence is no part of a number or a path.
    let bare = word.trim_end_matches('.');
    let is_number = bare
        .trim_start_matches(['-', '+'])
        .starts_with(|c: char| c.is_ascii_digit());
    let has_letter = bare.bytes().any(|b| b.is_ascii_alphabetic());
    let is_hex = bare.len() >= HEX_BYTES
        && bare.bytes().all(|b| b.is_ascii_hexdigit())
        && bare.bytes().any(|b| b.is_ascii_digit());
    if is_hash(bare) || is_hex {
        text.push_str(HASH);
    } else if is_number && !(has_letter && bare.contains('/')) {
        text.push_str(NUMBER);
    } else if is_path(bare) {
        text.push_str(PATH);
    } else {
        push_name(text, bare);
    }
    text.push_str(&word[bare.len()..]);
}

/// True for a path; a name in Zig has no slash, nor a file's ending.
fn is_path(word: &str) -> bool {
    let named = |b: u8| b.is_ascii_alphanumeric();
    let word = word.trim_end_matches('.');
    // Every package has these.
    if matches!(word, "build.zig" | "build.zig.zon") {
        return false;
    }
    (word.contains('/') || word.ends_with(".zig") || word.ends_with(".zon"))
        && word.bytes().any(named)
}

/// True for a name such as `data.bin`.
fn has_ending(word: &str) -> bool {
    let ending = word.rsplit_once('.').map_or("", |(_, ending)| ending);
    (1..=ENDING_BYTES).contains(&ending.len()) && ending.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Adds a name without the numbers that the compiler gave it.
fn push_name(text: &mut String, name: &str) {
    let mut rest = name;
    while let Some(at) = rest.find('_') {
        let (before, marked) = rest.split_at(at);
        text.push_str(before);
        // A test without a name is `test_0`.
        let is_test = before.ends_with("test");
        let mark = match ANONYMOUS.iter().find(|mark| marked.starts_with(**mark)) {
            Some(mark) => mark.len(),
            None => 1,
        };
        let number = digits(&marked[mark..]);
        let is_made_up = number > 0 && (mark > 1 || is_test);
        let end = mark + number;
        if !is_made_up {
            text.push_str(&marked[..end]);
        }
        rest = &marked[end..];
    }
    text.push_str(rest);
}

/// How many digits the text begins with.
fn digits(text: &str) -> usize {
    text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len()
}

/// How many bytes of `:LINE:COLUMN` the text begins with.
fn line_numbers(text: &str) -> usize {
    let mut end = 0;
    while let Some(rest) = text[end..].strip_prefix(':') {
        let number = digits(rest);
        if number == 0 {
            break;
        }
        end += 1 + number;
    }
    end
}

/// Where the text goes on after the word that ends at `at`: behind type arguments, if some follow.
fn skip_arguments(message: &str, word: &str, at: usize, closing: &[usize]) -> usize {
    let rest = &message[at..];
    let name = word.rsplit('.').next().unwrap_or(word);
    let is_name = name.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    let open = match rest.as_bytes().first() {
        Some(b'(') if is_name && !KEYWORDS.contains(&name) => at,
        Some(b'{') if LISTS.contains(&word) => at,
        Some(b' ') if LISTS.contains(&word) && rest.starts_with(" {") => at + 1,
        _ => return at,
    };
    let close = closing[open];
    // "argument(s)" is one word; "init()" has no arguments.
    match &message[open..] {
        inside if inside.starts_with("(s)") || inside.starts_with("()") => at,
        _ if close > open => close + 1,
        _ => at,
    }
}

/// For each byte that is an opening bracket with a partner where the partner is, and 0 for all others.
fn closing_brackets(message: &str) -> Vec<usize> {
    let mut closing = vec![0; message.len()];
    let mut open = Vec::new();
    for (at, byte) in message.bytes().enumerate() {
        match byte {
            b'(' | b'{' => open.push((at, byte)),
            b')' | b'}' => {
                let partner = if byte == b')' { b'(' } else { b'{' };
                // One without a partner hides nothing but itself.
                if open.last().is_some_and(|(_, byte)| *byte == partner)
                    && let Some((from, _)) = open.pop()
                {
                    closing[from] = at;
                }
            }
            _ => {}
        }
    }
    closing
}
