//! Words that the project does not use, each with its replacement, and how a comment does not begin.

use crate::text::{File, files_at_root, files_below};

/// One word a line: the word, its replacement, and the paths that may use it, if any.
const WORDS: &str = include_str!("words.txt");

/// A comment that begins with one of these has a clause where its subject should be.
const BEGINNINGS: [&str; 7] = [
    "Of ",
    "Who ",
    "Whoever ",
    "What who ",
    "Where nobody ",
    "Nobody ",
    "So many ",
];

/// Folders whose comments are still to be rewritten.
const OLD_COMMENTS: &[&str] = &["src/app/store/"];

/// A banned word.
struct Word<'a> {
    word: &'a str,
    replacement: &'a str,
    /// Paths begin with one of these where the word has another meaning.
    scope: Vec<&'a str>,
}

fn words() -> Vec<Word<'static>> {
    let lines = WORDS
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let words = lines.map(|line| {
        let mut fields = line.split('|').map(str::trim);
        Word {
            word: fields.next().expect("a word"),
            replacement: fields.next().expect("a replacement"),
            scope: fields.next().unwrap_or("").split_whitespace().collect(),
        }
    });
    words.collect()
}

fn files() -> Vec<File> {
    let mut files = files_at_root(&["md", "sql", "toml"]);
    for folder in ["src", "tests", "benches", "docs"] {
        files.extend(files_below(folder, &["rs", "md", "py", "html"]));
    }
    files
}

/// The identifiers and words of a line, in snake case: `TaskQueue` and `task_queue` are the same.
fn identifiers(line: &str) -> Vec<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = line.split(|c| !is_word(c)).filter(|word| !word.is_empty());
    words.map(snake).collect()
}

fn snake(identifier: &str) -> String {
    let mut snake = String::new();
    let mut after_small = false;
    for c in identifier.chars() {
        if c.is_ascii_uppercase() && after_small {
            snake.push('_');
        }
        after_small = c.is_ascii_lowercase() || c.is_ascii_digit();
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// True if the identifier is the word, or has it as a part between underscores.
fn holds(identifier: &str, word: &str) -> bool {
    format!("_{identifier}_").contains(&format!("_{word}_"))
}

#[test]
fn banned_words_are_not_used() {
    let words = words();
    let mut found = Vec::new();
    for File { path, text } in files() {
        let may = |word: &Word| word.scope.iter().any(|scope| path.starts_with(scope));
        let words: Vec<_> = words.iter().filter(|word| !may(word)).collect();
        for (number, line) in text.lines().enumerate() {
            let identifiers = identifiers(line);
            for Word {
                word, replacement, ..
            } in &words
            {
                if identifiers.iter().any(|identifier| holds(identifier, word)) {
                    found.push(format!("{path}:{}: {word}: say {replacement}", number + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn comments_begin_with_their_subject() {
    let mut found = Vec::new();
    for File { path, text } in files() {
        if OLD_COMMENTS.iter().any(|folder| path.starts_with(folder)) || !path.ends_with(".rs") {
            continue;
        }
        let mut before = "";
        for (number, line) in text.lines().map(str::trim_start).enumerate() {
            let goes_on = before.starts_with("//") && !ends_sentence(before);
            let comment = line
                .trim_start_matches('/')
                .trim_start_matches('!')
                .trim_start();
            let begins = BEGINNINGS.iter().find(|begin| comment.starts_with(**begin));
            if let Some(begins) = begins.filter(|_| line.starts_with("//") && !goes_on) {
                found.push(format!("{path}:{}: begins with {begins}", number + 1));
            }
            before = line;
        }
    }
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// True if the next line of a comment begins a sentence.
fn ends_sentence(comment: &str) -> bool {
    let comment = comment.trim_end();
    comment.ends_with(['.', ':', '!', '?', '/'])
}

#[test]
fn words_are_found_in_all_spellings() {
    let found = identifiers("let TaskQueue = turn_away(HTTP2, queue9Set);");
    assert_eq!(
        found,
        ["let", "task_queue", "turn_away", "http2", "queue9_set"]
    );
    assert!(holds("task_queue", "queue") && holds("turn_away", "turn_away"));
    assert!(!holds("turned", "turn") && !holds("overturn", "turn"));
}
