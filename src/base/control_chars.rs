//! Characters that are not seen themselves, and change how others are seen: a terminal and a browser obey them.

/// Control characters (the escape among them), what changes the direction of writing, what has no
/// width, and the ends of lines that only some know.
pub fn is_control(c: char) -> bool {
    let formats = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}');
    c.is_control() || formats
}

/// JSON that says the same, and has none of them as it is: an escape stands for each.
pub fn escaped(json: String) -> String {
    // Mostly there is nothing to do. What serde_json leaves as it is, is above the space.
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
