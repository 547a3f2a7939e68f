//! Sources and dependencies that are too large: their fetch ends, and they leave nothing where it does not belong.

use std::time::Instant;

use super::fetched::*;
use super::fetches::{Trial, trial};
use super::repositories;
use super::world::GOOD;
use crate::common::server::PATIENCE;

#[test]
#[ignore = "takes minutes: make test-all"]
fn what_is_too_large_is_not_fetched() {
    trial(|trial| {
        trial.rules(&[]);
        trial.repositories_are_bounded();
        trial.dependencies_are_bounded_and_stay_where_they_belong();
    });
}

impl Trial {
    fn repositories_are_bounded(&self) {
        for (path, words) in repositories::bombs(&self.world.www) {
            let start = Instant::now();
            let fetched = self.fetch(path, "*");
            assert_eq!(fetched.code, 12, "{path}: {}", fetched.words);
            assert!(fetched.words.contains(words), "{path}: {}", fetched.words);
            assert!(start.elapsed() < PATIENCE, "{path}");
        }
    }

    fn dependencies_are_bounded_and_stay_where_they_belong(&self) {
        for (name, code) in repositories::archives(&self.world.www) {
            let url = format!("http://{GOOD}/{name}.tar.gz");
            let tree = [
                ("build.zig", "//"),
                ("build.zig.zon", &manifest("asks", &[&url])),
            ];
            let fetched = self.dependencies(&tree, "*");
            let words = &fetched.words;
            assert_eq!(fetched.code, code, "{name}: {words}");
            assert!(!fetched.holds(b"root:x:0"), "{name}");
            let foreign = |name: &&String| {
                let is_ours = ["p/", "zig-pkg/", "missing.json"]
                    .iter()
                    .any(|start| name.starts_with(start));
                name.contains("..") || !is_ours
            };
            assert_eq!(fetched.names.iter().find(foreign), None, "{name}: {words}");
            self.nobody_was_called();
        }
    }
}
