//! The texts of issues, mails and statuses. What a package says is quoted, and is never markup, a header or a mention.

use crate::app::domain::transition::Transition;
use crate::base::control_chars::{is_control, without_escapes};
use crate::notify::config::Config;
use crate::notify::facts::Facts;
use crate::notify::forge::{OWNERS_FILE, encoded};
use crate::notify::limits::{DESCRIPTION_LIMIT_CHARS, ERROR_LIMIT_LINES, ERROR_LINE_LIMIT_CHARS};

/// The page of a build.
pub fn build_url(config: &Config, build: u64) -> String {
    format!("{}/builds/{build}", config.public_url)
}

/// The page of a package.
fn package_url(config: &Config, name: &str) -> String {
    format!("{}/packages/{}", config.public_url, encoded(name))
}

/// The verdict in one line, as long as every forge takes it.
pub fn description(facts: &Facts) -> String {
    let word = match facts.statuses() {
        Some(statuses) => statuses.describe(),
        None => "pending",
    };
    let text = match facts.detail() {
        "" => word.to_string(),
        detail => format!("{word}: {}", line(detail)),
    };
    text.chars().take(DESCRIPTION_LIMIT_CHARS).collect()
}

pub fn issue_title(package: &str, zig_version: &str) -> String {
    format!("{package} fails under Zig {zig_version}")
}

/// By it an issue is found again.
pub fn issue_mark(package: &str, zig_version: &str) -> String {
    format!("<!-- zigcheck {package} {zig_version} -->")
}

pub fn issue_text(config: &Config, facts: &Facts) -> String {
    let (package, version) = (facts.package(), facts.zig_version());
    let build = build_url(config, facts.build());
    let page = package_url(config, package);
    let mut text = format!(
        "It worked under Zig {version} before, or under the version before that, and fails now.\n\n\
         - verdict: {}\n",
        facts
            .statuses()
            .map_or("failed", |statuses| statuses.describe()),
    );
    if let Some(commit) = facts.commit() {
        text += &format!("- commit: {commit}\n");
    }
    text += &format!("- log: {build}\n- all versions: {page}\n");
    let errors = errors(facts.errors());
    if !errors.is_empty() {
        text += "\nThe first errors:\n\n";
        for line in errors {
            text += &format!("    {line}\n");
        }
    }
    text += &format!(
        "\nThis issue was opened by zigcheck, which closes it when {package} works under Zig {version} again. \
         `{OWNERS_FILE}` in this repository, or the admin of {}, asked for it.\n\n{}\n",
        config.public_url,
        issue_mark(package, version),
    );
    text
}

/// What is said when an issue is closed.
pub fn mended_text(config: &Config, facts: &Facts) -> String {
    let mut text = format!("It works under Zig {} again", facts.zig_version());
    if let Some(commit) = facts.commit() {
        text += &format!(", at commit {commit}");
    }
    text + &format!(": {}\n", build_url(config, facts.build()))
}

/// Subject and text of a mail about what changed.
pub fn mail(config: &Config, facts: &Facts, transition: Transition) -> (String, String) {
    let (package, version) = (facts.package(), facts.zig_version());
    let change = match transition {
        Transition::NewlyBroken => "fails",
        Transition::NewlyFixed => "works again",
    };
    let subject = format!("{package} {change} under Zig {version}");
    let mut text = format!(
        "{package} {change} under Zig {version}.\n\n\
         verdict:    {}\nrepository: {}\n",
        description(facts),
        line(facts.url()),
    );
    if let Some(commit) = facts.commit() {
        text += &format!("commit:     {commit}\n");
    }
    text += &format!(
        "log:        {}\npackage:    {}\n",
        build_url(config, facts.build()),
        package_url(config, package)
    );
    if transition == Transition::NewlyBroken {
        for line in errors(facts.errors()) {
            text += &format!("\n    {line}");
        }
        text += "\n";
    }
    (subject, text)
}

/// The first lines of an error, without what a terminal would obey.
fn errors(text: &str) -> Vec<String> {
    let lines = text.lines().map(line).filter(|line| !line.is_empty());
    lines.take(ERROR_LIMIT_LINES).collect()
}

/// One line of text from outside.
fn line(text: &str) -> String {
    let text = text.lines().next().unwrap_or("");
    let shown = without_escapes(text);
    let shown = shown.trim_end().chars().filter(|c| !is_control(*c));
    shown.take(ERROR_LINE_LIMIT_CHARS).collect()
}
