//! What was met over all lives: a simulation that meets nothing proves nothing.

use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub struct Tally(BTreeMap<String, u64>);

/// How often each must be met at least, in a thousand lives.
const LEAST: [(&str, u64); 97] = [
    ("events", 10_000),
    ("resets", 100),
    ("checks followed", 200),
    ("logs read", 200),
    ("builds", 10_000),
    ("packages submitted", 3_000),
    ("packages submitted again", 500),
    ("names given away", 20),
    ("trees uploaded", 1_000),
    ("trees refused", 100),
    ("refused without an engine", 300),
    ("refused without room", 300),
    ("disks filled", 300),
    ("crashes", 1_000),
    ("crashes before the commit", 100),
    ("crashes behind the commit", 100),
    ("stops", 200),
    ("outages", 500),
    ("engine restarts, containers live", 200),
    ("engine restarts, containers end", 200),
    ("clients that end oddly", 200),
    ("containers that outlive their client", 500),
    ("containers that ended unheard", 50),
    ("containers left created", 50),
    ("containers cut off from their input", 50),
    ("containers made late", 50),
    ("new images", 100),
    ("missing images", 30),
    ("images named by their recipe", 20),
    ("images made again", 20),
    ("logs compared", 3_000),
    ("verdicts compared", 3_000),
    ("success/success/null", 100),
    ("success/no_tests/null", 100),
    ("success/failed/test_failure", 100),
    ("success/skipped/null", 50),
    ("success/failed/out_of_memory", 50),
    ("success/success/out_of_memory", 30),
    ("success/failed/silent", 50),
    ("failed/null/compile_error", 100),
    ("failed/null/step_failure", 50),
    ("failed/null/dependency_unavailable", 50),
    ("failed/null/disk_limit", 50),
    ("failed/null/silent", 50),
    ("failed/null/timeout", 2),
    ("error/null/source_unavailable", 100),
    ("error/null/engine_error", 1),
    ("drains", 100),
    ("ran dry", 50),
    // The nodes of a cluster, in a quarter of the lives.
    ("nodes drained", 50),
    ("nodes that die", 100),
    ("nodes that come back", 100),
    ("silent nodes given up", 50),
    ("silent nodes that answer again", 30),
    ("builds lost with their node", 10),
    ("allocations forgotten", 5),
    ("slurmctld goes or comes", 100),
    ("containers removed by their nodes", 2_000),
    // What an admin asks for.
    ("cancelled while queued", 300),
    ("cancelled while fetching", 200),
    ("cancelled while building", 20),
    ("cancelled while testing", 5),
    ("checks cancelled", 300),
    ("cancels answered 404", 200),
    ("cancels answered 409", 200),
    ("admin calls answered 401", 50),
    ("admin calls answered 403", 50),
    ("checks triggered", 100),
    ("looks at all remotes", 100),
    ("checks of all packages", 100),
    ("versions retired", 200),
    ("cancelled with their version", 30),
    ("status told", 500),
    ("answered again", 500),
    // What time brings.
    ("days pass", 40),
    ("days pass beside work", 100),
    ("remotes changed", 300),
    ("remotes unchanged", 1_000),
    ("checks of a new commit", 200),
    ("checks that were owed", 100),
    ("checks for a new image", 60),
    ("slow fetches", 200),
    ("fetches that took too long", 20),
    ("containers killed", 200),
    ("listened to beyond its time", 200),
    ("starts before others who wait", 3_000),
    ("starts before a better class", 500),
    ("cached", 300),
    ("analysed for other targets", 500),
    ("other targets switched on or off", 20),
    ("comparisons", 100),
    ("fresh", 100),
    ("caches given", 20),
    ("caches reused", 10),
    ("built again without a cache", 5),
    ("containers of others", 200),
    ("other limits", 200),
];

impl Tally {
    pub fn met(&mut self, what: &str) {
        self.count(what, 1);
    }

    pub fn count(&mut self, what: &str, count: u64) {
        match self.0.get_mut(what) {
            Some(known) => *known += count,
            None => drop(self.0.insert(what.to_string(), count)),
        }
    }

    pub fn add(&mut self, other: &Tally) {
        for (what, count) in &other.0 {
            self.count(what, *count);
        }
    }

    pub fn show(&self) {
        for (what, count) in &self.0 {
            println!("{count:>9} {what}");
        }
    }

    pub fn assert_everything_was_met(&self, lives: u64) {
        for (what, least) in &LEAST {
            let met = self.0.get(*what).copied().unwrap_or(0);
            assert!(
                met * 1_000 >= least * lives,
                "{what}: met {met} times in {lives} lives"
            );
        }
    }
}
