//! What must hold of verdicts that were known already.

use crate::common::engine::container::Script;
use crate::rules::{Row, number, rows};
use crate::world::World;

const FIELDS: [&str; 16] = [
    "zig_version",
    "toolchain",
    "cache_key",
    "build_status",
    "test_status",
    "import_status",
    "reason",
    "detail",
    "compiled",
    "tests_passed",
    "tests_skipped",
    "tests_total",
    "modules",
    "error_log",
    "peak_memory_bytes",
    "log_bytes",
];

impl World {
    /// A build was answered with the verdict of another: it is the same, and that one had all that
    /// a verdict hangs on in common with it.
    pub fn check_cached(&mut self, row: &Row, origin: i64) {
        let origin = self.committed(origin).expect("a row");
        assert_eq!(origin.state, "finished", "{row:?} of {origin:?}");
        assert!(origin.cached_from.is_none(), "{row:?} of {origin:?}");
        let own = ["success", "failed"].contains(&origin.status());
        let reason = origin.words.rsplit('/').next().expect("a last word");
        let passing = [
            "dependency_unavailable",
            "timeout",
            "silent",
            "out_of_memory",
        ];
        assert!(own && !passing.contains(&reason), "{row:?} of {origin:?}");
        assert!(!self.is_fresh(row.id), "{row:?} of {origin:?}");
        for field in FIELDS {
            let sql = format!(
                "SELECT a.{field} IS o.{field} FROM builds a, builds o WHERE a.id = {} AND o.id = {}",
                row.id, origin.id
            );
            assert_eq!(
                number(&self.keeper, &sql),
                1,
                "{field} of {row:?} and {origin:?}"
            );
        }
        // What the container of the other was fed with, under which image and limits.
        let of = |script| self.engine.of((script, origin.id, origin.attempt));
        let container = of(Script::Build).or_else(|| of(Script::Dependencies));
        let key = container.and_then(|container| container.key.clone());
        let key = key.unwrap_or_else(|| panic!("{row:?} of {origin:?}, which had no container"));
        let (source, image) = self.source_and_image(row.id);
        let memory = self.settings.memory_bytes;
        let is_same = self.may_start_in(&image, &key.image);
        assert_eq!(
            (key.source, is_same, key.memory_bytes),
            (source, true, memory),
            "{row:?} of {origin:?}"
        );
        assert_eq!(
            self.image_as_known(&self.version_of(row.id)),
            Some(image),
            "{row:?} of {origin:?}"
        );
        self.tally.met("cached");
    }

    /// Its client asked for no verdict from the cache.
    pub fn is_fresh(&self, build: i64) -> bool {
        let sql = format!(
            "SELECT c.fresh FROM builds b JOIN checks c ON c.id = b.check_id WHERE b.id = {build}"
        );
        number(&self.keeper, &sql) != 0
    }

    pub fn version_of(&self, build: i64) -> String {
        let sql = format!("SELECT zig_version FROM builds WHERE id = {build}");
        self.texts(&sql).pop().expect("a row")
    }

    fn source_and_image(&self, build: i64) -> (String, String) {
        let sql = "SELECT c.source, b.toolchain FROM builds b JOIN checks c ON c.id = b.check_id \
            WHERE b.id = ?1";
        let mut found = rows(&self.keeper, sql, [build], |row| {
            Ok((row.get(0)?, row.get(1)?))
        });
        found.pop().expect("a build that has its source")
    }
}
