//! Toolchains that are known by the recipe of their image, and databases from before images had one.

use serde_json::{Value, json};
use zigcheck::app::builds::limits::REBUILD_LIMIT;
use zigcheck::app::engine::listings;
use zigcheck::config::limits::ENGINE_FRESH_MS;

use crate::common::core::{Inside, Memory};
use crate::common::pack::small_tree;
use crate::retirement::end_all;

const RECIPE: &str = "0.16.0-0123456789abcdef";
const NAME: &str = "zigcheck:0.16.0-0123456789abcdef";

/// The image of 0.16.0 is the one with that id, under these tags; the server hears of it.
fn listed(inside: &mut Inside, id: &str, tags: &[&str]) {
    let images = &mut inside.engine.images;
    images.retain(|(version, _)| !version.starts_with("0.16.0"));
    images.extend(tags.iter().map(|tag| (tag.to_string(), id.to_string())));
    inside.pass(ENGINE_FRESH_MS + 1);
    assert_eq!(inside.request("GET", "/api/health", &[], b"").status, 200);
    inside.pass_step_by_step(1_000);
}

/// A server with a package that has its verdicts under images without a recipe.
fn before_recipes(name: &str) -> (Inside, Memory) {
    let (mut inside, memory) = Inside::begin(name, 1);
    inside.submit("p");
    end_all(&mut inside);
    (inside, memory)
}

fn number(memory: &Memory, sql: &str) -> i64 {
    memory.db.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// The verdict of the same tree under 0.16.0, and whether it was known.
fn upload(inside: &mut Inside) -> Value {
    let build = inside.upload(&small_tree());
    end_all(inside);
    inside.build(build["id"].as_i64().expect("an id"))
}

/// What the container that was started last was started in.
fn started_in(inside: &Inside) -> String {
    let runs = |words: &&String| words.starts_with("run ");
    let words = inside.engine.asked.iter().rfind(runs).expect("one");
    let mut words = words.split(' ');
    let image = words.find(|word| word.starts_with("sha256:") || word.starts_with("zigcheck:"));
    image.expect("an image").to_string()
}

#[test]
fn an_image_that_gets_a_recipe_is_no_new_toolchain() {
    let (mut inside, memory) = before_recipes("recipe-named");
    let first = upload(&mut inside);
    assert_eq!(first["toolchain"], "sha256:a");
    listed(&mut inside, "sha256:a", &["0.16.0", RECIPE]);
    assert_eq!(inside.names(), [""; 0], "nothing is built again");
    // What was known stays known, under its other name, and what runs is what is booked.
    for build in [&first["id"], &json!(1)] {
        let build = inside.build(build.as_i64().unwrap());
        assert_eq!(build["toolchain"], NAME);
    }
    assert_eq!(upload(&mut inside)["cached_from"], first["id"]);
    let page = inside.curl("/builds/1");
    let line = page.lines().find(|line| line.starts_with("image "));
    assert!(
        line.is_some_and(|line| line.ends_with(&format!(" {NAME}"))),
        "{page}"
    );
    inside.submit("q");
    end_all(&mut inside);
    let row = inside.json("/api/builds?package=q&zig_version=0.16.0");
    assert_eq!(row["builds"][0]["toolchain"], NAME);
    let runs = inside.engine.asked.iter();
    assert!(
        runs.filter(|it| it.starts_with("run "))
            .any(|it| it.contains(NAME))
    );

    let mut inside = inside.restarted(&memory);
    inside.pass_step_by_step(1_000);
    assert_eq!(inside.names(), [""; 0]);
    assert_eq!(upload(&mut inside)["cached_from"], first["id"]);
    // Made anew for another processor, and without its tag for a moment.
    listed(&mut inside, "sha256:other", &["0.16.0", RECIPE]);
    assert_eq!(upload(&mut inside)["cached_from"], first["id"]);
    listed(&mut inside, "sha256:a", &["0.16.0"]);
    assert_eq!(upload(&mut inside)["cached_from"], first["id"]);
    assert_eq!(inside.names(), [""; 0]);
}

#[test]
fn another_recipe_is_another_toolchain() {
    let (mut inside, _memory) = before_recipes("recipe-other");
    listed(&mut inside, "sha256:a", &["0.16.0", RECIPE]);
    let other = "0.16.0-fedcba9876543210";
    // The older tag has its image still.
    let old = (RECIPE.to_string(), "sha256:a".to_string());
    inside.engine.images.push(old);
    listed(&mut inside, "sha256:c", &["0.16.0", other]);
    assert_eq!(inside.names().len(), 1, "its packages are checked under it");
    end_all(&mut inside);
    let rows = inside.json("/api/builds?package=p&zig_version=0.16.0");
    let toolchains: Vec<&Value> = rows["builds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["toolchain"])
        .collect();
    assert_eq!(toolchains, ["zigcheck:0.16.0-fedcba9876543210", NAME]);
    assert_eq!(started_in(&inside), "zigcheck:0.16.0-fedcba9876543210");
}

#[test]
fn a_new_database_knows_recipes_alone() {
    let memory = Memory::new("recipe-new");
    let mut inside = Inside::without_engine("recipe-new", memory.open());
    inside.engine.up = true;
    listed(&mut inside, "sha256:a", &["0.16.0", RECIPE]);
    let first = upload(&mut inside);
    assert_eq!(first["toolchain"], NAME);
    assert_eq!(started_in(&inside), NAME);
    let sql = "SELECT count(*) FROM builds WHERE toolchain LIKE 'sha256%'";
    assert_eq!(number(&memory, sql), 0);
    assert_eq!(number(&memory, "SELECT count(*) FROM recipes"), 0);
    listed(&mut inside, "sha256:other", &["0.16.0", RECIPE]);
    assert_eq!(upload(&mut inside)["cached_from"], first["id"]);
}

#[test]
fn the_tag_of_a_recipe_is_that_of_the_image_of_its_version() {
    let recipe = "0123456789abcdef";
    let (named, dev) = (format!("0.16.0-{recipe}"), "0.17.0-dev.123");
    for (tags, expected) in [
        (
            &[("0.16.0", "a"), (&*named, "a")][..],
            vec![("0.16.0", "a", true)],
        ),
        // In any order, and podman's names.
        (
            &[(&*named, "a"), ("0.16.0", "a")],
            vec![("0.16.0", "a", true)],
        ),
        // A tag of an image that was replaced, or whose other tag is gone.
        (
            &[("0.16.0", "b"), (&*named, "a")],
            vec![("0.16.0", "b", false), (&*named, "a", false)],
        ),
        (&[(&*named, "a")], vec![(&*named, "a", false)]),
        // What is no recipe.
        (
            &[
                ("0.17.0", "a"),
                (dev, "a"),
                ("0.17.0-0123456789ABCDEF", "a"),
                ("0.17.0-0123456789abcde", "a"),
            ],
            vec![
                ("0.17.0", "a", false),
                ("0.17.0-0123456789ABCDEF", "a", false),
                ("0.17.0-0123456789abcde", "a", false),
                (dev, "a", false),
            ],
        ),
    ] {
        for repository in ["zigcheck", "localhost/zigcheck"] {
            let lines = tags
                .iter()
                .map(|(tag, id)| format!("{repository}:{tag} {id}\n"));
            let images = listings::images(&lines.collect::<String>());
            let known = images.iter().map(|(version, image)| {
                let is_named = image.name == format!("zigcheck:{version}-{recipe}");
                assert!(is_named || image.name == image.id, "{image:?}");
                (&**version, &*image.id, is_named)
            });
            let mut known: Vec<(&str, &str, bool)> = known.collect();
            known.sort_unstable();
            assert_eq!(known, expected, "{tags:?}");
        }
    }
    let dev = format!("zigcheck:{dev} a\nzigcheck:{dev}-{recipe} a\n");
    let images = listings::images(&dev);
    let [image] = &images.values().collect::<Vec<_>>()[..] else {
        panic!("{images:?}");
    };
    assert_eq!(image.name, format!("zigcheck:0.17.0-dev.123-{recipe}"));
}

/// Adds packages, each with a verdict under the first images.
fn add(memory: &Memory, count: usize) {
    let sql = format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count})
        INSERT INTO packages (name, url, created_at, last_updated, fetched)
            SELECT 'p' || n, 'https://github.com/x/p' || n, 0, 0, 1 FROM n;
        INSERT INTO checks (package_id, package, created_at) SELECT id, name, 0 FROM packages WHERE id > 1;
        INSERT INTO builds (check_id, zig_version, toolchain, state, build_status, created_at)
            SELECT c.id, t.zig_version, t.image, 'finished', 'success', 0
            FROM checks c, toolchains t WHERE c.package_id > 1;
        INSERT INTO build_results (package_id, zig_version, build_status, build_id, newest_build)
            SELECT c.package_id, b.zig_version, 'success', b.id, b.id
            FROM builds b JOIN checks c ON c.id = b.check_id WHERE c.package_id > 1;"
    );
    memory.db.execute_batch(&sql).unwrap();
}

#[test]
fn a_large_database_is_taken_over_by_one_row() {
    let count = 3 * REBUILD_LIMIT;
    let (inside, memory) = before_recipes("recipe-large");
    let killed = inside.killed();
    add(&memory, count);
    let mut inside = killed.starts(&memory);
    let before = number(&memory, "SELECT count(*) FROM checks");
    listed(&mut inside, "sha256:a", &["0.16.0", RECIPE]);
    let mut inside = inside.restarted(&memory);
    inside.pass_step_by_step(60_000);
    assert_eq!(number(&memory, "SELECT count(*) FROM checks"), before);
    assert_eq!(inside.names(), [""; 0]);
    let left = "SELECT count(*) FROM builds WHERE toolchain = 'sha256:a'";
    assert_eq!(number(&memory, left), count as i64 + 1);
    assert_eq!(number(&memory, "SELECT count(*) FROM recipes"), 1);
    let old = inside.json("/api/builds?package=p7&zig_version=0.16.0");
    assert_eq!(old["builds"][0]["toolchain"], NAME);
}
