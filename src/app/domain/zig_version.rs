//! The order of Zig versions.

use std::cmp::Ordering;

/// Which of two versions is older, as semantic versions compare: `0.17.0-dev.9`, `0.17.0-dev.12`, `0.17.0`. A name that
/// is no number, such as `master`, is newer than any number.
pub fn compare(a: &str, b: &str) -> Ordering {
    match (Parsed::of(a), Parsed::of(b)) {
        (Some(x), Some(y)) => x.compare(&y).then_with(|| a.cmp(b)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

/// True if the text, such as the name of a tag, names that release of Zig: `zig-0.16`, `zig0.16.0`.
pub fn is_named_by(version: &str, text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let minor = version.rsplit_once('.').map_or(version, |(minor, _)| minor);
    let Some((_, behind)) = text.split_once("zig") else {
        return false;
    };
    let behind = behind.trim_start_matches(['-', '_', '/', 'v']);
    let rest = behind.strip_prefix(version);
    let rest = rest.or_else(|| behind.strip_prefix(minor));
    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit() || c == '.'))
}

struct Parsed<'a> {
    /// Major, minor and patch.
    numbers: Vec<u64>,
    /// What stands behind the first hyphen, without build metadata.
    pre_release: Option<&'a str>,
}

impl Parsed<'_> {
    fn of(text: &str) -> Option<Parsed<'_>> {
        let text = text.split_once('+').map_or(text, |(text, _)| text);
        let (release, pre_release) = match text.split_once('-') {
            Some((release, rest)) => (release, Some(rest)),
            None => (text, None),
        };
        let numbers = release.split('.').map(|part| part.parse().ok());
        Some(Parsed {
            numbers: numbers.collect::<Option<Vec<u64>>>()?,
            pre_release,
        })
    }

    fn compare(&self, other: &Parsed) -> Ordering {
        let numbers = self.numbers.cmp(&other.numbers);
        numbers.then_with(|| match (self.pre_release, other.pre_release) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) => compare_pre_releases(a, b),
        })
    }
}

fn compare_pre_releases(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let (x, y) = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) => (x, y),
        };
        let order = match (x.parse::<u64>(), y.parse::<u64>()) {
            (Ok(x), Ok(y)) => x.cmp(&y),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => x.cmp(y),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}
