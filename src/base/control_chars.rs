//! Invisible characters that change how a terminal or a browser shows other text.

/// True for control characters (the escape among them), changes of writing direction, characters without width, and
/// line ends that only some programs know.
pub fn is_control(c: char) -> bool {
    let formats = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}');
    c.is_control() || formats
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
