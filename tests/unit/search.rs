//! Searches for packages against a naive model, with random texts; and what a search is taken apart into.

use crate::common::rows::{self, finish, in_memory};
use crate::common::seed::{Seed, seed_of_run};
use zigcheck::app::domain::ids::PackageId;
use zigcheck::app::domain::search::Search;
use zigcheck::app::domain::verdict::{BuildStatus, Reason, Verdict};
use zigcheck::app::store::list::{Paging, Sort};
use zigcheck::app::store::package_list::{self, PackageFilter, RELEVANCE};
use zigcheck::app::store::packages::{self, NewPackage, PackageChange};
use zigcheck::app::store::store::Store;
use zigcheck::app::store::{builds, checks, search};

const VERSIONS: [&str; 2] = ["0.17.1", "0.16.0"];
const LICENSES: [&str; 3] = ["MIT", "BSD-3-Clause", "Apache 2.0"];
const OWNERS: [&str; 3] = ["ann", "Bob", "c-d"];

/// A package as the model knows it.
#[derive(Debug, Clone)]
struct Known {
    id: PackageId,
    name: String,
    description: Option<String>,
    owner: String,
    license: Option<String>,
    views: i64,
    /// For each version: the status, and the errors.
    cells: Vec<(BuildStatus, String)>,
}

impl Known {
    fn url(&self) -> String {
        format!("https://github.com/{}/r{}", self.owner, self.id)
    }

    fn text(&self) -> String {
        let description = self.description.as_deref().unwrap_or_default();
        let text = format!("{}\n{description}\n{}", self.name, self.url());
        text.to_ascii_lowercase()
    }

    /// The same order as the list: what the name has of a word, then views, then the id.
    fn rank(&self, words: &[String]) -> (u8, i64, i64) {
        let name = self.name.to_ascii_lowercase();
        let of = |word: &String| match name.find(word.as_str()) {
            Some(0) if name == *word => 3,
            Some(0) => 2,
            Some(_) => 1,
            None => 0,
        };
        let rank = words.iter().map(of).max().unwrap_or(0);
        (rank, self.views, self.id.get())
    }
}

/// What is asked for.
#[derive(Debug, Clone, Default)]
struct Asked {
    words: Vec<String>,
    errors: Vec<String>,
    cells: Vec<(usize, Option<BuildStatus>)>,
    owner: Option<String>,
    license: Option<String>,
}

impl Asked {
    fn holds(&self, known: &Known) -> bool {
        let text = known.text();
        let has_error = |error: &String| {
            let mut logs = known.cells.iter().map(|(_, log)| log.to_ascii_lowercase());
            logs.any(|log| log.contains(error))
        };
        let has_cell = |(version, status): &(usize, Option<BuildStatus>)| {
            status.is_none_or(|status| known.cells[*version].0 == status)
        };
        let same = |asked: &Option<String>, known: Option<&String>| {
            let asked = asked.as_ref();
            asked.is_none_or(|asked| known.is_some_and(|known| known.eq_ignore_ascii_case(asked)))
        };
        self.words.iter().all(|word| text.contains(word))
            && self.errors.iter().all(has_error)
            && self.cells.iter().all(has_cell)
            && same(&self.owner, Some(&known.owner))
            && same(&self.license, known.license.as_ref())
    }

    /// As somebody types it, in any order.
    fn typed(&self, seed: &mut Seed) -> String {
        let quoted = |text: &String| match text.contains(char::is_whitespace) {
            true => format!("\"{text}\""),
            false => text.clone(),
        };
        let mut terms: Vec<String> = self.words.iter().map(quoted).collect();
        terms.extend(self.errors.iter().map(|e| format!("error:{}", quoted(e))));
        terms.extend(self.cells.iter().map(|(version, status)| {
            let status = status.map_or(String::new(), |status| format!("={}", status.as_str()));
            format!("zig:{}{status}", VERSIONS[*version])
        }));
        terms.extend(self.owner.iter().map(|owner| format!("owner:{owner}")));
        let license = self.license.iter();
        terms.extend(license.map(|license| format!("license:{}", quoted(license))));
        let mut typed = String::new();
        while !terms.is_empty() {
            let at = seed.below(terms.len());
            typed += &terms.swap_remove(at);
            typed += *seed.pick(&[" ", "  ", "\t"]);
        }
        typed
    }
}

/// A text of pieces that overlap in many ways.
fn random_text(seed: &mut Seed, pieces: usize) -> String {
    const PIECES: [&str; 16] = [
        "json",
        "JSON",
        "parse",
        "arse",
        "son",
        "ab",
        "b",
        "\u{e9}t\u{e9}",
        " ",
        " ",
        "%",
        "_",
        "'",
        "-",
        "\\",
        "no member",
    ];
    (0..pieces).map(|_| *seed.pick(&PIECES)).collect()
}

/// A part of a text, in lower case, that can be typed as one term: what begins with a word and a colon is none.
fn part_of(seed: &mut Seed, text: &str) -> String {
    let chars: Vec<char> = text.to_ascii_lowercase().chars().collect();
    let from = seed.below(chars.len());
    let to = (from + seed.between(1, 9)).min(chars.len());
    let part: String = chars[from..to].iter().collect();
    let part = part.trim().replace(['\n', ':', '"'], "");
    match part.is_empty() {
        true => "x".to_string(),
        false => part,
    }
}

fn add(store: &mut Store, seed: &mut Seed) -> Known {
    let nth = packages::last_id(store).unwrap() + 1;
    let name = format!(
        "{}{nth}",
        random_text(seed, 2).replace([' ', '\\', '%', '\''], "")
    );
    let mut known = Known {
        id: PackageId(nth),
        name: name.replace('\u{e9}', "e"),
        description: (!seed.once_in(4)).then(|| random_text(seed, 6)),
        owner: seed.pick(&OWNERS).to_string(),
        license: (!seed.once_in(3)).then(|| seed.pick(&LICENSES).to_string()),
        views: seed.below(5) as i64,
        cells: Vec::new(),
    };
    let new = NewPackage {
        name: known.name.clone(),
        url: known.url(),
        description: known.description.clone(),
        license: known.license.clone(),
        ..NewPackage::default()
    };
    known.id = packages::insert(store, &new, 0).unwrap();
    packages::add_views(store, &[(known.id, known.views)]).unwrap();
    known.cells = vec![(BuildStatus::Pending, String::new()); VERSIONS.len()];
    for version in 0..VERSIONS.len() {
        verdict(store, seed, &mut known, version);
    }
    known
}

/// A new build under that version, which may still be waiting.
fn verdict(store: &mut Store, seed: &mut Seed, known: &mut Known, version: usize) {
    let check = rows::check((Some(known.id), &known.name), None);
    let check = checks::insert(store, &check, 0).unwrap();
    let build = builds::insert(store, check, VERSIONS[version], 0).unwrap();
    let errors = random_text(seed, 8);
    let verdict = match seed.below(3) {
        0 => return,
        1 => Verdict::failed(Reason::CompileError, &errors),
        _ => Verdict {
            build_status: BuildStatus::Success,
            reason: None,
            ..Verdict::failed(Reason::CompileError, "")
        },
    };
    finish(store, build, &verdict, 0);
    known.cells[version] = (verdict.build_status, verdict.error_log.clone());
}

fn change(store: &mut Store, seed: &mut Seed, known: &mut Known) {
    if seed.once_in(2) {
        let version = seed.below(VERSIONS.len());
        return verdict(store, seed, known, version);
    }
    let row = packages::by_id(store, known.id).unwrap().unwrap();
    let description = random_text(seed, 5);
    known.description = Some(description.clone());
    let change = PackageChange {
        description: Some(Some(description)),
        ..PackageChange::default()
    };
    packages::update(store, &row, &change, 0).unwrap();
}

fn ask(seed: &mut Seed, known: &[Known]) -> Asked {
    let about = seed.pick(known).clone();
    let mut asked = Asked::default();
    for _ in 0..seed.below(4) {
        let text = match seed.below(3) {
            0 => random_text(seed, 2),
            _ => about.text(),
        };
        asked.words.push(part_of(seed, &text));
    }
    if seed.once_in(3) {
        let log = about.cells[0].1.clone() + "no member";
        asked.errors.push(part_of(seed, &log));
    }
    if seed.once_in(3) {
        let statuses = [
            None,
            Some(BuildStatus::Success),
            Some(BuildStatus::Failed),
            Some(BuildStatus::Pending),
        ];
        asked
            .cells
            .push((seed.below(VERSIONS.len()), *seed.pick(&statuses)));
    }
    asked.owner = seed.once_in(4).then(|| about.owner.to_uppercase());
    asked.license = if seed.once_in(4) {
        about.license.clone()
    } else {
        None
    };
    asked
}

fn filter(search: &str) -> PackageFilter {
    PackageFilter {
        search: Some(search.to_string()),
        ..PackageFilter::default()
    }
}

/// What is found, page by page.
fn found(store: &Store, search: &str) -> Vec<i64> {
    let sort = Sort {
        column: RELEVANCE,
        down: true,
    };
    let mut paging = Paging {
        limit: 7,
        ..rows::page(1, 7)
    };
    let mut ids = Vec::new();
    loop {
        let page = package_list::page(store, &filter(search), sort, &paging);
        let page = page.unwrap().unwrap();
        ids.extend(page.rows.iter().map(|row| row.id.get()));
        match page.next {
            None => return ids,
            after => paging.after = after,
        }
    }
}

#[test]
fn a_search_finds_what_a_naive_one_finds_in_the_same_order() {
    let number = seed_of_run();
    let mut seed = Seed(number);
    let mut store = in_memory();
    let mut known: Vec<Known> = (0..120).map(|_| add(&mut store, &mut seed)).collect();
    for round in 0..400 {
        match seed.below(4) {
            0 => known.push(add(&mut store, &mut seed)),
            1 => {
                let at = seed.below(known.len());
                change(&mut store, &mut seed, &mut known[at]);
            }
            2 => while search::index_some(&mut store).unwrap() {},
            _ => {}
        }
        let asked = ask(&mut seed, &known);
        let mut wanted: Vec<&Known> = known.iter().filter(|known| asked.holds(known)).collect();
        wanted.sort_by_key(|known| std::cmp::Reverse(known.rank(&asked.words)));
        let wanted: Vec<i64> = wanted.iter().map(|known| known.id.get()).collect();
        let typed = asked.typed(&mut seed);
        assert_eq!(
            found(&store, &typed),
            wanted,
            "SEED={number} round {round}: {typed:?} {asked:?}"
        );
    }
}

#[test]
fn every_text_is_a_search() {
    let number = seed_of_run();
    let mut seed = Seed(number);
    let mut store = in_memory();
    add(&mut store, &mut seed);
    while search::index_some(&mut store).unwrap() {}
    const PIECES: [&str; 22] = [
        "\"",
        "'",
        "*",
        "(",
        ")",
        "AND",
        "OR",
        "NOT",
        "NEAR(",
        "^",
        ":",
        "-",
        "\0",
        "\n",
        " ",
        "zig:",
        "error:",
        "owner:",
        "abcd",
        "\u{1f389}",
        "=failed",
        "%",
    ];
    for _ in 0..500 {
        let text: String = (0..seed.below(40)).map(|_| *seed.pick(&PIECES)).collect();
        for column in [RELEVANCE, "name", "last_updated"] {
            let sort = Sort { column, down: true };
            let page = package_list::page(&store, &filter(&text), sort, &rows::page(1, 20));
            assert!(page.is_ok(), "SEED={number} {text:?}: {page:?}");
        }
    }
    let endless = "abc ".repeat(2_000) + &"z".repeat(5_000);
    assert!(
        package_list::page(
            &store,
            &filter(&endless),
            rows::up("name"),
            &rows::page(1, 20)
        )
        .is_ok()
    );
}

#[test]
fn what_is_no_filter_is_a_word() {
    let words = |text: &str| Search::parse(text).words.join("|");
    for (text, wanted) in [
        ("", ""),
        ("  Json \t parser ", "json|parser"),
        ("\"json parser\" x", "json parser|x"),
        ("it's \"q", "it's|\"q"),
        ("https://github.com/A/b", "https://github.com/a/b"),
        ("std:json", "std:json"),
        ("owner:", "owner:"),
        ("zig:0.17.1=broken", "zig:0.17.1=broken"),
        ("Owner:x", "owner:x"),
    ] {
        assert_eq!(words(text), wanted, "{text:?}");
    }
    let search = Search::parse(
        "zig:0.17.1=failed zig:0.16.0 owner:Ann license:\"Apache 2.0\" error:\"no Member\" x",
    );
    let wanted = Search {
        words: vec!["x".to_string()],
        errors: vec!["no member".to_string()],
        cells: vec![
            ("0.17.1".to_string(), Some(BuildStatus::Failed)),
            ("0.16.0".to_string(), None),
        ],
        owners: vec!["ann".to_string()],
        licenses: vec!["apache 2.0".to_string()],
    };
    assert_eq!(search, wanted);
}
