//! Databases with the schemas that were ever in main.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;

/// A section for each schema: what it made anew or changed, and rows.
pub const SCHEMAS: &str = include_str!("../unit/fixtures/schemas.sql");

/// One of the schemas, with rows.
#[derive(Clone, Default)]
pub struct Landed {
    pub version: i64,
    /// Statements by the name of what they make.
    pub objects: BTreeMap<String, String>,
    /// Statements, and the last version that has their columns.
    pub rows: Vec<(i64, String)>,
}

/// All of them, the oldest first.
pub fn landed() -> Vec<Landed> {
    let mut all: Vec<Landed> = Vec::new();
    for section in SCHEMAS.split("\n-- schema ").skip(1) {
        let (version, lines) = section.split_once('\n').unwrap();
        let mut next = all.last().cloned().unwrap_or_default();
        next.version = version.parse().unwrap();
        for line in lines.lines().filter(|line| !line.is_empty()) {
            if let Some(name) = line.strip_prefix("-- gone: ") {
                next.objects.remove(name).expect("it was there");
            } else if let Some(rest) = line.strip_prefix("-- until ") {
                let (last, row) = rest.split_once(": ").unwrap();
                next.rows.push((last.parse().unwrap(), row.to_string()));
            } else if line.starts_with("CREATE ") {
                next.objects.insert(name(line), line.to_string());
            } else {
                next.rows.push((i64::MAX, line.to_string()));
            }
        }
        all.push(next);
    }
    all
}

/// What a statement makes.
pub fn name(sql: &str) -> String {
    let kinds = ["TABLE", "INDEX", "TRIGGER"];
    let mut words = sql.split(' ').skip_while(|word| !kinds.contains(word));
    words.nth(1).unwrap().to_string()
}

impl Landed {
    /// The newest of this version.
    pub fn of(version: i64) -> Landed {
        let found = landed()
            .into_iter()
            .rfind(|landed| landed.version == version);
        found.expect("a version that was in main")
    }

    /// Makes a database of it in a file that is not there.
    pub fn make(&self, path: &Path) {
        let db = Connection::open(path).unwrap();
        let run = |sql: &str| {
            db.execute_batch(sql)
                .unwrap_or_else(|error| panic!("{sql}: {error}"))
        };
        run("PRAGMA journal_mode = WAL; PRAGMA foreign_keys = OFF; BEGIN");
        let is_table =
            |sql: &&String| sql.contains(" TABLE ") && !sql.starts_with("CREATE TRIGGER");
        self.objects
            .values()
            .filter(is_table)
            .for_each(|sql| run(sql));
        // The rows are what triggers had left.
        let rows = self.rows.iter().filter(|(last, _)| self.version <= *last);
        rows.for_each(|(_, sql)| run(sql));
        let others = self.objects.values().filter(|sql| !is_table(sql));
        others.for_each(|sql| run(sql));
        run(&format!("PRAGMA user_version = {}; COMMIT", self.version));
    }
}
