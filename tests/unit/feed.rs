//! Events: who sleeps for one package or check misses nothing, however much happens elsewhere
//! meanwhile; and what cannot be told of does not happen.

use crate::common::core::Inside;
use crate::common::settings::settings;
use rusqlite::Connection;
use zigcheck::app::domain::ids::{BuildId, CheckId};
use zigcheck::app::domain::verdict::State;
use zigcheck::app::live::feed::{Feed, Framing};
use zigcheck::app::live::subscription::{EventFilter, ProgressFormat};
use zigcheck::app::store::builds;
use zigcheck::app::store::checks;
use zigcheck::app::store::store::Store;
use zigcheck::base::slab::Key;
use zigcheck::config::limits::EVENTS_KEPT;
use zigcheck::interface::event::{Action, Pull};
use zigcheck::interface::outbox::Outbox;

struct DiskUsage {
    store: Store,
    feed: Feed,
    out: Outbox,
}

impl DiskUsage {
    fn new() -> DiskUsage {
        let store = Store::from_connection(Connection::open_in_memory().unwrap()).unwrap();
        let feed = Feed::new(&settings(&["--data=nowhere"]), &store).unwrap();
        let out = Outbox::default();
        DiskUsage { store, feed, out }
    }

    fn check(&mut self, package: &str) -> (i64, i64) {
        let check = checks::insert(
            &mut self.store,
            &crate::common::rows::check((None, package), None),
            0,
        )
        .unwrap();
        let build = builds::insert(&mut self.store, check, "0.16.0", 0).unwrap();
        (check.get(), build.get())
    }

    fn change(&mut self, build: i64) {
        let row = builds::by_id(&self.store, BuildId(build)).unwrap().unwrap();
        let (store, out) = (&mut self.store, &mut self.out);
        self.feed.publish(store, (&row, None), 0, out).unwrap();
    }

    fn woken(&mut self) -> Vec<Key> {
        let mut woken = Vec::new();
        while let Some(action) = self.out.take() {
            let Action::Wake { conn } = action else {
                panic!("{action:?}")
            };
            woken.push(conn);
        }
        woken
    }

    /// What there is to be read, to the last.
    fn read(&mut self, conn: Key) -> String {
        let mut all = Vec::new();
        loop {
            let gave = self
                .feed
                .pull(conn, &self.store, &|_| None, 32 << 10, &mut all);
            match gave {
                Pull::More | Pull::Text => {}
                Pull::Idle | Pull::End | Pull::Unfinished => {
                    return String::from_utf8(all).unwrap();
                }
            }
        }
    }
}

fn key(index: u32) -> Key {
    Key {
        index,
        generation: 0,
    }
}

#[test]
fn who_sleeps_for_something_else_has_missed_nothing() {
    let mut room = DiskUsage::new();
    let (check, quiet) = room.check("quiet");
    let (_, busy) = room.check("busy");
    let of = |package: Option<&str>, check| EventFilter {
        package: package.map(str::to_string),
        uploads: true,
        check,
    };
    let watchers = [
        of(Some("quiet"), None),
        of(None, Some(CheckId(check))),
        of(Some("quiet"), Some(CheckId(check))),
        of(Some("busy"), Some(CheckId(check))),
        of(None, None),
    ];
    for (index, watched) in watchers.into_iter().enumerate() {
        let conn = key(index as u32);
        room.feed
            .watch_events(conn, watched, None, Framing::ServerSent);
        assert_eq!(room.read(conn), "");
    }
    let follower = key(9);
    let row = checks::by_id(&room.store, CheckId(check)).unwrap().unwrap();
    let builds = builds::of_check(&room.store, CheckId(check)).unwrap();
    room.feed.follow(
        follower,
        row,
        &builds,
        (ProgressFormat::Json, Vec::new()),
        None,
    );
    room.read(follower);

    for _ in 0..=EVENTS_KEPT {
        room.change(busy);
    }
    assert_eq!(room.woken(), [key(4)], "only who wants all of them, once");
    builds::set_state(&mut room.store, BuildId(quiet), State::Building, 1).unwrap();
    room.change(quiet);
    let mut woken = room.woken();
    woken.sort();
    assert_eq!(woken, [key(0), key(1), key(2), follower]);
    for conn in woken {
        let told = room.read(conn);
        assert!(told.contains(r#""state":"building""#), "{conn:?}: {told}");
        assert!(!told.contains("reset"), "{conn:?}: {told}");
        assert_eq!(told.matches("\"seq\"").count(), 1, "{conn:?}: {told}");
    }
    assert_eq!(room.read(key(3)), "", "of both is of neither");
    assert!(room.read(key(4)).contains("reset"), "it was awake and slow");
}

#[test]
fn a_check_whose_events_cannot_be_written_is_not_taken_in_by_half() {
    let uri = "file:half?mode=memory&cache=shared";
    let db = Connection::open(uri).unwrap();
    let store = Store::from_connection(Connection::open(uri).unwrap()).unwrap();
    db.execute_batch(
        "CREATE TRIGGER no_second BEFORE INSERT ON events \
         WHEN (SELECT count(*) FROM events) = 1 BEGIN SELECT RAISE(ABORT, 'no room'); END",
    )
    .unwrap();
    let mut inside = Inside::open("half", store, 1);
    // The commit fails, and with it the server ends.
    let submit = std::panic::AssertUnwindSafe(|| inside.submit("half"));
    assert!(std::panic::catch_unwind(submit).is_err());
    drop(inside);
    for table in ["packages", "checks", "builds", "events"] {
        let sql = format!("SELECT count(*) FROM {table}");
        let left = db.query_row(&sql, [], |row| row.get::<_, i64>(0));
        assert_eq!(left.unwrap(), 0, "{table}");
    }
}
