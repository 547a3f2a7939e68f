//! What must hold, whatever happens.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use zigcheck::config::ERRORS_LIMIT;

use crate::client::CUT_OFF;
use crate::engine::{Container, Script, State};
use crate::scripts;
use crate::world::World;

/// A build as everybody else can read it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub id: i64,
    pub state: String,
    /// The verdict: the status of the build, of its tests, and the reason.
    pub words: String,
    pub finished_at: Option<i64>,
    pub attempt: u32,
    pub errors: u32,
    pub cached_from: Option<i64>,
    pub log_bytes: u64,
}

impl Row {
    pub fn is_final(&self) -> bool {
        ["finished", "cancelled"].contains(&self.state.as_str())
    }

    fn status(&self) -> &str {
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

/// What is known of the past.
#[derive(Debug, Default)]
pub struct Books {
    /// Builds a client was promised.
    pub promised: BTreeSet<i64>,
    /// Containers that the server wanted ended.
    killed: BTreeSet<String>,
    /// Containers whose time was up when the server asked which there are.
    overdue: BTreeSet<String>,
    /// Builds that have come to their end, as they were then.
    ended: BTreeMap<i64, Row>,
    /// Verdicts of packages: package, version, status.
    cells: BTreeMap<(i64, String), String>,
    /// The newest event that was looked at.
    newest: u64,
}

pub fn number(db: &Connection, sql: &str) -> i64 {
    let mut statement = db.prepare_cached(sql).expect("the schema");
    statement.query_row([], |row| row.get(0)).expect("a number")
}

impl World {
    /// The row of a build, as it was committed last.
    pub fn committed(&self, build: i64) -> Option<Row> {
        let sql = format!("{ROW} WHERE id = ?1");
        let mut statement = self.keeper.prepare_cached(&sql).expect("the schema");
        statement.query_row([build], read_row).ok()
    }

    fn rows(&self) -> Vec<Row> {
        let mut statement = self.keeper.prepare_cached(ROW).expect("the schema");
        let rows = statement.query_map([], read_row).expect("the schema");
        rows.collect::<Result<_, _>>().expect("rows")
    }

    /// A container is asked for.
    pub fn check_run(&mut self, container: &Container) {
        let (script, id, attempt) = container.purpose.expect("it is ours");
        if script != Script::Build {
            return;
        }
        let row = self.committed(id).expect("no container ahead of its row");
        assert_eq!(row.state, "building", "{row:?}");
        assert_eq!(row.attempt, attempt, "{row:?}");
        for earlier in 1..=attempt {
            let Some(earlier) = self.engine.of((Script::Build, id, earlier)) else {
                continue;
            };
            assert!(
                earlier.purpose != container.purpose,
                "{} runs twice",
                container.name
            );
            let again = earlier.is_worth_it() && !self.books.killed.contains(&earlier.name);
            assert!(!again, "built again: {earlier:?}");
        }
        if let Some(key) = &container.key {
            // Images may have come or changed since the engine was asked: it is the server's keys that count.
            let as_known = |other: i64| {
                let sql = format!(
                    "SELECT count(*) FROM builds a JOIN builds b ON a.cache_key = b.cache_key \
                     WHERE a.id = {id} AND b.id = {other}"
                );
                number(&self.keeper, &sql) == 1
            };
            let twin = self.engine.ours().find(|other| {
                other.key.as_ref() == Some(key)
                    && other.purpose.is_some_and(|(_, other, _)| as_known(other))
                    && other.is_running()
                    && !self.books.killed.contains(&other.name)
            });
            assert!(twin.is_none(), "{key} is being built by {twin:?}");
        }
    }

    /// Containers are to be removed.
    pub fn check_remove(&mut self, names: &[&str]) {
        for name in names {
            self.engine.touched.insert(name.to_string());
            let Some(container) = self.engine.containers.get(*name) else {
                continue;
            };
            let Some((script, id, _)) = container.purpose else {
                panic!("{name} is not ours");
            };
            if script != Script::Build {
                continue;
            }
            let row = self.committed(id).expect("a row");
            let wanted = container.is_worth_it() && !self.books.killed.contains(&container.name);
            assert!(
                row.is_final() || !wanted,
                "thrown away: {container:?} of {row:?}"
            );
        }
    }

    /// The server asks which containers there are: before it ends one it does.
    pub fn note_overdue(&mut self) {
        let (now, settings) = (self.ms, &self.settings);
        for container in self.engine.containers.values() {
            let late = now >= container.started_ms + settings.build_timeout_ms;
            let silent = now >= container.heard_ms + settings.silence_timeout_ms;
            if late || silent {
                self.books.overdue.insert(container.name.clone());
            }
        }
    }

    /// A container is to be ended: it is asked how much memory it used.
    pub fn check_sentence(&mut self, name: &str) {
        self.books.killed.insert(name.to_string());
        self.note_overdue();
        let Some(container) = self.engine.containers.get(name) else {
            return;
        };
        let Some((script, id, _)) = container.purpose else {
            panic!("{name} is not ours");
        };
        assert_eq!(script, Script::Build, "{name}");
        let row = self.committed(id).expect("a row");
        // It may be made and speak between the question and the answer.
        let silence_ms = self.settings.silence_timeout_ms;
        let overdue =
            self.books.overdue.contains(name) || self.ms >= container.started_ms + silence_ms;
        assert!(overdue || row.state == "cancelled", "killed: {row:?}");
    }

    /// A container is ended: of a build one that was asked before.
    pub fn check_kill(&mut self, name: &str) {
        self.engine.touched.insert(name.to_string());
        let container = self.engine.containers.get(name);
        let of_build = container.is_some_and(|container| {
            let script = container.purpose.map(|(script, ..)| script);
            script == Some(Script::Build)
        });
        let id = container.and_then(|container| Some(container.purpose?.1));
        let row = id.and_then(|id| self.committed(id));
        let cancelled = row.is_some_and(|row| row.state == "cancelled");
        let sentenced = !self.books.killed.insert(name.to_string());
        assert!(sentenced || cancelled || !of_build, "{name}");
    }

    /// Looks at what has changed in the database.
    pub fn check(&mut self) {
        let newest = self.newest_event();
        if newest != std::mem::replace(&mut self.books.newest, newest) {
            self.check_all();
        }
    }

    pub fn check_all(&mut self) {
        let rows = self.rows();
        for build in &self.books.promised {
            let known = rows.binary_search_by_key(build, |row| row.id);
            assert!(known.is_ok(), "build {build} was promised and is lost");
        }
        for row in rows {
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
    }

    /// A verdict on a package stays until there is a new one.
    fn check_cells(&mut self) {
        let sql = "SELECT package_id, zig_version, build_status FROM build_results";
        let mut statement = self.keeper.prepare_cached(sql).expect("the schema");
        let cell = |row: &rusqlite::Row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?));
        let cells = statement.query_map([], cell).expect("the schema");
        let cells: BTreeMap<(i64, String), String> =
            cells.map(|cell| cell.expect("a cell")).collect();
        for (which, known) in &self.books.cells {
            let now = cells.get(which).map_or("nothing", String::as_str);
            let verdict = ["success", "failed"];
            assert!(
                verdict.contains(&now) || !verdict.contains(&known.as_str()),
                "{known} of {which:?} became {now}"
            );
        }
        self.books.cells = cells;
    }

    fn check_ended(&mut self, row: &Row) {
        self.tally.met(&row.words);
        if row.state == "cancelled" {
            self.tally.met("cancelled");
            return;
        }
        let container = self.engine.of((Script::Build, row.id, row.attempt));
        if let Some(origin) = row.cached_from {
            let origin = self.committed(origin).expect("a row");
            assert_eq!(row.words, origin.words, "{row:?} of {origin:?}");
            assert!(container.is_none(), "{row:?} had {container:?}");
            self.tally.met("cached");
            return;
        }
        let Some(container) = container else {
            // It had not come so far, or was not let.
            let known = row.status() == "error" || row.words == "failed/null/disk_limit";
            assert!(known || row.is_cut_short(), "{row:?} without a container");
            if row.is_cut_short() {
                self.tally.met("ended before there was a container");
                return;
            }
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
        } else if !container.is_worth_it() || row.status() == "error" {
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

    /// The log is what the containers wrote, byte by byte.
    fn check_log(&mut self, row: &Row) {
        let path = self.settings.data.join(format!("logs/{}.log", row.id));
        let log = std::fs::read(path).unwrap_or_default();
        assert_eq!(log.len() as u64, row.log_bytes, "{row:?}");
        let of = |script| self.engine.of((script, row.id, row.attempt));
        let wrote = |container: &Container| container.wrote[1].clone();
        let build = of(Script::Build).map(wrote).unwrap_or_default();
        let fetch = of(Script::Dependencies).map(wrote).unwrap_or_default();
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
        let rows = "SELECT (SELECT count(*) FROM queue) + (SELECT count(*) FROM turns)";
        assert_eq!(number(&self.keeper, rows), 0, "rows of the queue are left");
        self.check_sources();
    }

    fn check_sources(&self) {
        let sql = "SELECT hash || '.' || format FROM sources \
            UNION SELECT hash || '.tar.gz' FROM dependencies";
        let mut statement = self.keeper.prepare(sql).expect("the schema");
        let known = statement
            .query_map([], |row| row.get(0))
            .expect("the schema");
        let known: BTreeSet<String> = known.map(|name| name.expect("a name")).collect();
        let there = std::fs::read_dir(self.settings.data.join("sources")).expect("a directory");
        for entry in there {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("a text");
            assert!(known.contains(&name), "{name} is left in sources");
            let bytes = std::fs::read(entry.path()).expect("a file");
            assert_eq!(
                name.split('.').next(),
                Some(scripts::sha256(&bytes).as_str())
            );
        }
    }
}

/// A log that ends in what the engine's client has to say of itself, before it hangs.
fn without_words_of_engine(log: &[u8]) -> &[u8] {
    let words = log.windows(8).position(|words| words == b"docker: ");
    let log = &log[..words.unwrap_or(log.len())];
    log.strip_suffix(CUT_OFF.as_bytes()).unwrap_or(log)
}
