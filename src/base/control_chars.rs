//! Invisible characters that change how a terminal or a browser shows other text.

use std::str::Chars;

/// True for control characters (the escape among them), changes of writing direction, characters without width,
/// line ends that only some programs know, and the two characters that XML cannot hold.
pub fn is_control(c: char) -> bool {
    let formats = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
        | '\u{e0000}'..='\u{e0fff}');
    c.is_control() || formats
}

/// The text without escape sequences, each of which goes whole: half of one would be read as text.
pub fn without_escapes(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.chars();
    // Where one string has no end, no later one has: each character is searched once.
    let mut strings_end = true;
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => skip_escape(&mut rest, &mut strings_end),
            '\u{9b}' => skip_control_sequence(&mut rest),
            c => kept.push(c),
        }
    }
    kept
}

/// Skips what follows an escape character (ECMA-48). Clears `strings_end` if the rest ends no string.
fn skip_escape(rest: &mut Chars, strings_end: &mut bool) {
    let mut ahead = rest.clone();
    match ahead.next() {
        Some('[') => {
            skip_control_sequence(&mut ahead);
            *rest = ahead;
        }
        // A string: to the bell, or to the terminator `ESC \`.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            *strings_end = *strings_end && skip_string(&mut ahead);
            match *strings_end {
                true => *rest = ahead,
                // Without an end it is no sequence: the text after it stays.
                false => {
                    rest.next();
                }
            }
        }
        Some(' '..='/') => {
            let last = ahead.find(|c| !matches!(c, ' '..='/'));
            if last.is_some_and(|c| matches!(c, '0'..='~')) {
                *rest = ahead;
            }
        }
        Some('0'..='~') => *rest = ahead,
        _ => {}
    }
}

/// Skips a string with its end; false if it has none.
fn skip_string(rest: &mut Chars) -> bool {
    while let Some(c) = rest.next() {
        if c == '\u{1b}' && rest.as_str().starts_with('\\') {
            rest.next();
            return true;
        }
        if c == '\u{7}' {
            return true;
        }
    }
    false
}

/// Skips the parameters of a control sequence, and the letter that ends it.
fn skip_control_sequence(rest: &mut Chars) {
    while let Some(c) = rest.clone().next() {
        if !matches!(c, ' '..='~') {
            return;
        }
        rest.next();
        if matches!(c, '@'..='~') {
            return;
        }
    }
}

/// The same JSON with an escape in place of each control character.
pub fn escaped(json: String) -> String {
    // Most JSON is plain ASCII. serde_json has escaped everything below the space.
    if json.bytes().all(|byte| (b' '..0x7f).contains(&byte)) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        match is_control(c) {
            false => escaped.push(c),
            true => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    escaped += &format!("\\u{unit:04x}");
                }
            }
        }
    }
    escaped
}
