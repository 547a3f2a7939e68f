//! The cost of a queue of a million entries against one of a hundred: push, take, read and open.
//!
//! Prints times, memory and ratios, and asserts nothing about them. The database is on disk.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use rusqlite::{Connection, params};
use rustix::fs::{Advice, fadvise};
use zigcheck::app::domain::ids::BuildId;
use zigcheck::app::domain::task::Entry;
use zigcheck::app::domain::task::Priority;
use zigcheck::app::domain::task::Task;
use zigcheck::app::queue::queue::Queue;
use zigcheck::app::store::store::Store;

const FEW: i64 = 100;
const MANY: i64 = 1_000_000;
/// Tasks in one transaction, as in a busy turn.
const BATCH: usize = 64;
const ROUNDS: usize = 100;
const SLOTS: usize = 4;
const LISTED: usize = 256;
const RANK_CAP: u64 = 10_000;

fn main() {
    // `cargo bench` passes --bench; `cargo test` must not run this.
    let args: Vec<String> = std::env::args().collect();
    match &args[1..] {
        [word, count, tenants] if word == "fill" => fill(number(count), number(tenants)),
        args if args.iter().any(|arg| arg == "--bench") => compare(),
        _ => {}
    }
}

fn compare() {
    println!("a queue of {MANY} against one of {FEW}; medians");
    for (title, tenants) in [
        ("of one tenant", 1),
        ("of 1,000 tenants", 1_000),
        ("of a tenant for each entry", MANY),
    ] {
        let few = measure(FEW, tenants.min(FEW));
        let many = measure(MANY, tenants);
        println!("{title}:");
        for ((name, unit, few), (_, _, many)) in few.into_iter().zip(many) {
            let ratio = many / few;
            println!("  {name:<30} {many:9.1} {unit:<3} ratio {ratio:8.2}");
        }
    }
}

fn number(word: &str) -> i64 {
    word.parse().expect("a number")
}

/// Each figure with its name and unit.
type Measured = Vec<(&'static str, &'static str, f64)>;

fn measure(count: i64, tenants: i64) -> Measured {
    // In another process, so that its memory does not count.
    let mut filling = Command::new(std::env::current_exe().expect("this program"));
    filling.args(["fill", &count.to_string(), &tenants.to_string()]);
    assert!(filling.status().expect("it runs").success());
    let path = path();
    let cold = (0..3).map(|_| {
        drop_from_cache(&path);
        ms(|| drop(open(&path)))
    });
    let cold = median(cold.collect());
    drop(std::fs::read(&path).expect("the database"));
    let warm = median((0..5).map(|_| ms(|| drop(open(&path)))).collect());
    let (store, queue) = open(&path);
    let mut bench = QueueBench {
        store,
        queue,
        next: count + 1,
        tenants,
    };
    let (push, take) = bench.in_batches();
    let (push_alone, take_alone) = bench.alone();
    let (order, rank) = bench.reads();
    vec![
        ("open", "ms", warm),
        ("open, nothing in memory", "ms", cold),
        ("push, 64 in a transaction", "us", push),
        ("take, 64 in a transaction", "us", take),
        ("push, with its commit", "us", push_alone),
        ("take, with its commit", "us", take_alone),
        ("the order of the next 256", "us", order),
        ("a rank, counted up to 10,000", "us", rank),
        ("memory of the process", "KiB", resident_kib() as f64),
    ]
}

fn open(path: &Path) -> (Store, Queue) {
    let store = Store::open(path).expect("a database");
    let queue = Queue::open(SLOTS, &store, 0).expect("a queue");
    (store, queue)
}

struct QueueBench {
    store: Store,
    queue: Queue,
    next: i64,
    tenants: i64,
}

impl QueueBench {
    fn push(&mut self) {
        let build = self.next;
        self.next += 1;
        let entry = Entry {
            task: Task::Build(BuildId(build)),
            priority: Priority::Interactive,
            tenant: format!("2001:db8::{:x}", build * 7_919 % self.tenants),
            popularity: build * 7_919 % 1_000,
        };
        let pushed = self.queue.push(&mut self.store, &entry, None, 1);
        pushed.expect("space for it");
    }

    fn take(&mut self) {
        let taken = self.queue.take(&mut self.store, 1).expect("an answer");
        let taken = taken.expect("something waits");
        self.queue.release(&taken.tenant);
    }

    fn commit(&mut self) {
        self.store.commit().expect("a disk");
    }

    /// Microseconds of one push and of one take, without their commits.
    fn in_batches(&mut self) -> (f64, f64) {
        let (mut pushes, mut takes) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let each = |whole: f64| whole * 1e3 / BATCH as f64;
            pushes.push(each(ms(|| (0..BATCH).for_each(|_| self.push()))));
            self.commit();
            takes.push(each(ms(|| (0..BATCH).for_each(|_| self.take()))));
            self.commit();
        }
        (median(pushes), median(takes))
    }

    /// The same with a commit each.
    fn alone(&mut self) -> (f64, f64) {
        let (mut pushes, mut takes) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let push = ms(|| {
                self.push();
                self.commit();
            });
            let take = ms(|| {
                self.take();
                self.commit();
            });
            pushes.push(push * 1e3);
            takes.push(take * 1e3);
        }
        (median(pushes), median(takes))
    }

    /// Microseconds to list the first entries, and to compute the rank of the last one.
    fn reads(&mut self) -> (f64, f64) {
        self.push();
        let last = Task::Build(BuildId(self.next - 1));
        let (mut orders, mut ranks) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let order = ms(|| drop(self.queue.order(&self.store, LISTED, 1).expect("an order")));
            let rank = ms(|| drop(self.queue.rank(&self.store, last, RANK_CAP)));
            orders.push(order * 1e3);
            ranks.push(rank * 1e3);
        }
        (median(orders), median(ranks))
    }
}

// -- the database -----------------------------------------------------------------------------

fn path() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-queue");
    std::fs::create_dir_all(&directory).expect("a directory");
    directory.join("zigcheck.db")
}

/// Creates the database, with `count` entries in its queue.
fn fill(count: i64, tenants: i64) {
    let path = path();
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", path.display()));
    }
    drop(Store::open(&path).expect("a database"));
    let db = Connection::open(&path).expect("the same");
    let sql = "WITH RECURSIVE builds (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM builds \
        WHERE n < ?1) INSERT INTO queue (kind, id, priority, tenant, popularity) \
        SELECT 1, n, 0, format('2001:db8::%x', n * 7919 % ?2), n * 7919 % 1000 FROM builds";
    db.execute(sql, params![count, tenants]).expect("rows");
    // For each tenant its first entry: the most popular, then the oldest.
    let sql = "INSERT INTO lanes (priority, tenant, round, popularity, ticket) \
        SELECT priority, tenant, 0, popularity, ticket FROM (SELECT *, row_number() OVER \
        (PARTITION BY tenant ORDER BY popularity DESC, ticket) AS place FROM queue) WHERE place = 1";
    db.execute(sql, []).expect("rows");
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    let done = db.query_row(checkpoint, [], |_| Ok(()));
    done.expect("a checkpoint");
}

/// Asks the kernel to drop the file from its page cache.
fn drop_from_cache(path: &Path) {
    let file = File::open(path).expect("the database");
    file.sync_all().expect("a disk");
    fadvise(&file, 0, None, Advice::DontNeed).expect("a plain file");
}

// -- measuring ----------------------------------------------------------------------------------

fn ms(run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64() * 1e3
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Resident memory of this process in KiB.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.and_then(|kib| kib.parse().ok()).expect("a number")
}
