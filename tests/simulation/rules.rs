//! What must hold, whatever happens.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rusqlite::types::FromSql;
use rusqlite::{Connection, Params};
use zigcheck::app::builds::limits::ERRORS_LIMIT;
use zigcheck::interface::event::JobId;

use crate::common::engine::client::CUT_OFF;
use crate::common::engine::container::{Container, Script, State};
use crate::common::engine::engine::no_engine;
use crate::common::pack::sha256;
use crate::world::World;

/// A build as everybody else can read it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub id: i64,
    pub state: String,
    pub words: String,
    pub finished_at: Option<i64>,
    pub attempt: u32,
    pub errors: u32,
    pub cached_from: Option<i64>,
    pub log_bytes: u64,
}

impl Row {
    pub fn is_cancelled(&self) -> bool {
        self.state == "cancelled"
    }

    pub fn is_final(&self) -> bool {
        ["finished", "cancelled"].contains(&self.state.as_str())
    }

    pub fn status(&self) -> &str {
        self.words.split('/').next().expect("a first word")
    }

    /// The server says that it ended the build.
    fn is_cut_short(&self) -> bool {
        let reason = self.words.rsplit('/').next();
        ["timeout", "silent", "output_limit"].contains(&reason.expect("a last word"))
    }
}

const ROW: &str = "SELECT id, state, build_status || '/' || coalesce(test_status, 'null') || '/' || \
    coalesce(reason, 'null'), finished_at, attempt, errors, cached_from, log_bytes \
    FROM builds";

fn read_row(row: &rusqlite::Row) -> rusqlite::Result<Row> {
    Ok(Row {
        id: row.get(0)?,
        state: row.get(1)?,
        words: row.get(2)?,
        finished_at: row.get(3)?,
        attempt: row.get(4)?,
        errors: row.get(5)?,
        cached_from: row.get(6)?,
        log_bytes: row.get::<_, i64>(7)? as u64,
    })
}

#[derive(Debug, Default)]
pub struct Books {
    /// Builds a client was promised.
    pub promised: BTreeSet<i64>,
    /// Builds that somebody wanted cancelled.
    pub unwanted: BTreeSet<i64>,
    /// Builds of which it was answered that they are.
    pub cancelled: BTreeSet<i64>,
    pub killed: BTreeSet<String>,
    /// Containers whose time was up when the server asked which there are.
    pub overdue: BTreeSet<String>,
    /// Clients whose container's time is up, and since when that was seen.
    pub late: BTreeMap<JobId, u64>,
    /// Builds that have come to their end, as they were then.
    ended: BTreeMap<i64, Row>,
    /// Verdicts of packages: package and version, with the status and whose it is.
    cells: BTreeMap<(i64, String), (String, Option<i64>)>,
    /// What the latest event of each build said: its state, and the words of its verdict.
    said: BTreeMap<i64, (String, String)>,
    /// The newest event that was looked at.
    newest: u64,
}

pub fn number(db: &Connection, sql: &str) -> i64 {
    let rows = rows(db, sql, [], |row| row.get(0));
    *rows.first().expect("a number")
}

/// What a query finds, row by row.
pub fn rows<T>(
    db: &Connection,
    sql: &str,
    given: impl Params,
    read: impl FnMut(&rusqlite::Row) -> rusqlite::Result<T>,
) -> Vec<T> {
    let mut statement = db.prepare_cached(sql).expect("the schema");
    let rows = statement.query_map(given, read).expect("the schema");
    rows.collect::<Result<_, _>>().expect("values of that kind")
}

impl World {
    pub fn numbers(&self, sql: &str) -> Vec<i64> {
        self.column(sql)
    }

    pub fn texts(&self, sql: &str) -> Vec<String> {
        self.column(sql)
    }

    fn column<T: FromSql>(&self, sql: &str) -> Vec<T> {
        rows(&self.keeper, sql, [], |row| row.get(0))
    }

    /// The row of a build, as it was committed last.
    pub fn committed(&self, build: i64) -> Option<Row> {
        let sql = format!("{ROW} WHERE id = ?1");
        rows(&self.keeper, &sql, [build], read_row).pop()
    }

    fn rows(&self) -> Vec<Row> {
        rows(&self.keeper, ROW, [], read_row)
    }

    /// Looks at what has changed in the database.
    pub fn check(&mut self) {
        let newest = self.newest_event();
        if newest != self.books.newest {
            self.hear_events();
            self.books.newest = newest;
            self.check_all();
        }
        self.days.forget_told();
    }

    fn hear_events(&mut self) {
        let sql = "SELECT build_id, state, build_status || '/' || coalesce(test_status, 'null') \
            || '/' || coalesce(reason, 'null') FROM events WHERE seq > ?1 ORDER BY seq";
        let since = [self.books.newest as i64];
        let event = |row: &rusqlite::Row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)));
        let events = rows(&self.keeper, sql, since, event);
        self.books.said.extend(events);
    }

    pub fn check_all(&mut self) {
        let rows = self.rows();
        for build in &self.books.promised {
            let known = rows.binary_search_by_key(build, |row| row.id);
            assert!(known.is_ok(), "build {build} was promised and is lost");
        }
        for row in rows {
            let said = self.books.said.get(&row.id);
            let said = said.map(|(state, words)| (state.as_str(), words.as_str()));
            let is = Some((row.state.as_str(), row.words.as_str()));
            assert_eq!(said, is, "events of {row:?}");
            match self.books.ended.get(&row.id) {
                Some(known) => assert_eq!(*known, row, "build {} ended twice", row.id),
                None if row.is_final() => {
                    self.check_ended(&row);
                    self.books.ended.insert(row.id, row);
                }
                None => assert_eq!(row.words, "pending/null/null", "{row:?}"),
            }
        }
        self.check_cells();
        self.check_new_checks();
    }

    /// A verdict on a package stays until there is a new one, of a later build.
    fn check_cells(&mut self) {
        let sql = "SELECT package_id, zig_version, build_status, build_id FROM build_results";
        let cell =
            |row: &rusqlite::Row| Ok(((row.get(0)?, row.get(1)?), (row.get(2)?, row.get(3)?)));
        let cells = rows(&self.keeper, sql, [], cell);
        let cells: BTreeMap<(i64, String), (String, Option<i64>)> = cells.into_iter().collect();
        for (which, known) in &self.books.cells {
            let Some(now) = cells.get(which) else {
                // Its source was never fetched, and another package has its name now.
                let sql = format!(
                    "SELECT count(*) FROM packages WHERE id = {} AND removal IS NULL",
                    which.0
                );
                assert_eq!(number(&self.keeper, &sql), 0, "a verdict stays");
                // A source that is too large is a failure of the package, and was not fetched either.
                let build = known.1.unwrap_or_default();
                let sql = format!(
                    "SELECT count(*) FROM builds b JOIN checks c ON c.id = b.check_id \
                     WHERE b.id = {build} AND c.source NOT NULL"
                );
                assert_eq!(number(&self.keeper, &sql), 0, "it was fetched: {known:?}");
                self.tally.met("names given away");
                continue;
            };
            if now == known {
                continue;
            }
            let verdict = ["success", "failed"];
            if verdict.contains(&known.0.as_str()) {
                let good = verdict.contains(&now.0.as_str()) && now.1 > known.1;
                assert!(good, "{known:?} of {which:?} became {now:?}");
            }
            let build = now.1.and_then(|build| self.committed(build));
            let build = build.expect("a verdict is that of a build");
            assert_eq!(
                (build.state.as_str(), build.status()),
                ("finished", now.0.as_str())
            );
        }
        self.books.cells = cells;
    }

    fn check_ended(&mut self, row: &Row) {
        self.tally.met(&row.words);
        if row.is_cancelled() {
            let wanted = self.books.unwanted.contains(&row.id);
            if !wanted {
                let sql = format!("SELECT zig_version FROM builds WHERE id = {}", row.id);
                let version = self.texts(&sql).pop().expect("a build");
                let is_retired = !self.settings.zig_versions.contains(&version);
                assert!(is_retired, "nobody wanted that: {row:?}");
                self.books.unwanted.insert(row.id);
                self.tally.met("cancelled with their version");
            }
            assert_eq!(row.words, "pending/null/cancelled", "{row:?}");
            assert!(row.finished_at.is_some(), "{row:?}");
            return self.check_log_length(row);
        }
        if self.is_fresh(row.id) {
            self.tally.met("fresh");
        }
        self.check_reused(row);
        let container = self.engine.of((Script::Build, row.id, row.attempt));
        if let Some(origin) = row.cached_from {
            assert!(container.is_none(), "{row:?} had {container:?}");
            assert!(!self.log_of(row).exists(), "{row:?} has a log of its own");
            return self.check_cached(row, origin);
        }
        let Some(container) = container else {
            self.check_without_container(row);
            return self.check_log(row);
        };
        if row.is_cut_short() {
            // Where the engine did not hear that it was to be ended it runs until it is removed, or
            // until that engine ends it with itself.
            let killed = matches!(container.state, State::Exited { code: 137, .. });
            let ended = killed || self.books.killed.contains(&container.name);
            assert!(
                ended || container.state == State::Running || row.words.ends_with("timeout"),
                "{row:?}: {container:?}"
            );
        } else if !container.is_told(&row.words) {
            assert_eq!(row.status(), "error", "{row:?}: {container:?}");
            assert!(row.errors + 1 >= ERRORS_LIMIT, "{row:?}: {container:?}");
            assert!(!container.is_worth_it(), "{row:?}: {container:?}");
        } else {
            assert_eq!(
                Some(&row.words),
                container.verdict.as_ref(),
                "{container:?}"
            );
            self.tally.met("verdicts compared");
        }
        self.check_log(row);
    }

    /// Only a success counts of a build that used what an earlier one left.
    fn check_reused(&mut self, row: &Row) {
        let reused = "SELECT count(*) FROM builds WHERE reused_commit NOT NULL AND id =";
        if number(&self.keeper, &format!("{reused} {}", row.id)) == 1 {
            assert!(
                row.words.starts_with("success/") && row.words.ends_with("/null"),
                "{row:?}"
            );
            self.tally.met("caches reused");
        }
        let again = "SELECT count(*) FROM builds WHERE no_reuse = 1 AND id =";
        if number(&self.keeper, &format!("{again} {}", row.id)) == 1 {
            self.tally.met("built again without a cache");
        }
    }

    /// It had not come so far: what it needs could not be had.
    fn check_without_container(&self, row: &Row) {
        let sql = "SELECT c.id, c.attempt, c.errors, c.source IS NULL FROM builds b \
            JOIN checks c ON c.id = b.check_id WHERE b.id = ?1";
        let check = rows(&self.keeper, sql, [row.id], |row| {
            Ok(((row.get(0)?, row.get(1)?), row.get(2)?, row.get(3)?))
        });
        let (fetch, fetch_errors, unsourced): ((i64, u32), u32, bool) = check[0];
        let of = |script, (id, attempt)| self.engine.of((script, id, attempt));
        let code = |container: Option<&Container>| match container?.state {
            State::Exited { code, .. } => Some(code),
            _ => None,
        };
        let own = of(Script::Dependencies, (row.id, row.attempt));
        // It may have ended by its own fetch although another build found its source to be at fault.
        let (container, errors) = match unsourced && code(own) != Some(12) {
            // The turn that ended the build may have begun another fetch, for other builds: that has no container yet.
            true => {
                let (check, attempt) = fetch;
                let mut fetches = (1..=attempt).rev();
                let latest = fetches.find_map(|attempt| of(Script::Source, (check, attempt)));
                (latest, fetch_errors)
            }
            false => (own, row.errors),
        };
        let code = code(container);
        let good = match row.words.as_str() {
            "failed/null/disk_limit" => code == Some(12),
            _ => row.status() == "error" && (code == Some(11) || errors + 1 >= ERRORS_LIMIT),
        };
        assert!(good, "{row:?}: {container:?}");
    }

    fn log_of(&self, row: &Row) -> PathBuf {
        self.settings.data.join(format!("logs/{}.log", row.id))
    }

    fn check_log_length(&self, row: &Row) {
        let log = std::fs::metadata(self.log_of(row));
        let bytes = log.map_or(0, |log| log.len());
        assert_eq!(bytes, row.log_bytes, "{row:?}");
    }

    /// The log is what the containers wrote, byte by byte.
    fn check_log(&mut self, row: &Row) {
        self.check_log_length(row);
        let log = std::fs::read(self.log_of(row)).unwrap_or_default();
        let of = |script| self.engine.of((script, row.id, row.attempt));
        let wrote = |container: &Container| container.wrote[1].clone();
        let build = of(Script::Build).map(wrote).unwrap_or_default();
        let fetch = of(Script::Dependencies).map(wrote).unwrap_or_default();
        let log = without_names_of_nodes(&log, &fetch);
        // Without a container there are the words of a fetch at most.
        let sound = of(Script::Build).is_some_and(|container| !container.torn);
        if !sound || row.status() == "error" {
            return;
        }
        let all = [fetch, build].concat();
        let good = match (row.attempt, row.is_cut_short()) {
            (1, false) => log == all,
            (1, true) => all.starts_with(without_words_of_engine(&log)),
            (_, false) => log.ends_with(&all),
            (_, true) => true,
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(good, "{row:?}: {:?} is not {:?}", text(&log), text(&all));
        self.tally.met("logs compared");
    }

    /// The server has stopped, asked to at that time.
    pub fn check_stopped(&mut self, began: u64) {
        let took = self.ms - began;
        assert!(took <= 5_000, "it took {took} ms to stop");
    }

    /// Nothing runs, nothing waits, and nothing is left of what did.
    pub fn check_rest(&mut self) {
        self.check_all();
        for row in self.rows() {
            assert!(row.is_final(), "build {} never ended: {row:?}", row.id);
        }
        assert!(self.clients.is_empty(), "left: {:?}", self.clients);
        let rows = "SELECT (SELECT count(*) FROM queue) + (SELECT count(*) FROM lanes)";
        assert_eq!(number(&self.keeper, rows), 0, "rows of the queue are left");
        self.check_sources();
        self.check_comparisons();
        self.check_catalogue();
        let left: Vec<&str> = self.engine.ours().map(|c| c.name.as_str()).collect();
        assert!(left.is_empty(), "left: {left:?}");
        self.engine.assert_others_are_untouched();
    }

    /// The counts of comparisons are those of their rows, and each package is counted once.
    fn check_comparisons(&mut self) {
        let counts =
            "SELECT older, newer, outcome, packages FROM comparison_counts WHERE packages <> 0";
        let rows = "SELECT older, newer, outcome, count(*) FROM comparisons GROUP BY older, newer, outcome";
        let differ = format!(
            "SELECT (SELECT count(*) FROM ({counts} EXCEPT {rows})) + (SELECT count(*) FROM ({rows} EXCEPT {counts}))"
        );
        assert_eq!(number(&self.keeper, &differ), 0, "counts of comparisons");
        let tried = "SELECT count(*) FROM tried_versions v \
            WHERE packages <> (SELECT count(*) FROM tried WHERE version = v.id)";
        assert_eq!(number(&self.keeper, tried), 0, "packages that were tried");
        if number(&self.keeper, "SELECT count(*) FROM comparisons") > 0 {
            self.tally.met("comparisons");
        }
    }

    /// Checks of all packages have come to their end, but those under a version that is retired.
    fn check_catalogue(&self) {
        let waits = "SELECT zig_version FROM catalogue_checks WHERE examined_after NOT NULL OR checked <> examined";
        for version in self.texts(waits) {
            let is_retired = !self.settings.zig_versions.contains(&version);
            assert!(is_retired, "the check of all under {version} never ends");
        }
        let builds = number(&self.keeper, "SELECT count(*) FROM catalogue_builds");
        assert_eq!(builds, 0, "builds are left in the check of all packages");
    }

    fn check_sources(&self) {
        let sql = "SELECT hash || '.' || format FROM sources \
            UNION SELECT hash || '.tar.gz' FROM dependencies \
            UNION SELECT hash || '.tar.zst' FROM kept_caches";
        let known = self.texts(sql);
        let there = std::fs::read_dir(self.settings.data.join("sources")).expect("a directory");
        for entry in there {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("a text");
            assert!(known.contains(&name), "{name} is left in sources");
            let bytes = std::fs::read(entry.path()).expect("a file");
            assert_eq!(name.split('.').next(), Some(sha256(&bytes).as_str()));
        }
    }
}

/// A log without the lines in which the server says where the build runs, after what that fetch wrote.
fn without_names_of_nodes(log: &[u8], fetch: &[u8]) -> Vec<u8> {
    let before = match fetch {
        [] | [.., b'\n'] => "",
        _ => "\n",
    };
    let words =
        ["n1", "n2"].map(|node| format!("{before}[zigcheck: on node {node}]\n").into_bytes());
    let mut rest = log;
    let mut kept = Vec::new();
    while let Some((first, behind)) = rest.split_first() {
        match words.iter().find(|words| rest.starts_with(words)) {
            Some(words) => rest = &rest[words.len()..],
            None => {
                kept.push(*first);
                rest = behind;
            }
        }
    }
    kept
}

/// A log that ends in what the engine's client has to say of itself, before it hangs or finds that
/// the output cannot be followed.
fn without_words_of_engine(log: &[u8]) -> &[u8] {
    let log = log.strip_suffix(no_engine().1.as_bytes()).unwrap_or(log);
    let words = log.windows(8).position(|words| words == b"docker: ");
    let log = &log[..words.unwrap_or(log.len())];
    log.strip_suffix(CUT_OFF.as_bytes()).unwrap_or(log)
}
