-- The database of the server. Times are milliseconds since 1970 UTC.
--
-- A change of this file needs a step in src/app/store/migrations.rs.

-- One row: the identity of the data directory.
CREATE TABLE IF NOT EXISTS server (
    -- Labels the containers.
    id            TEXT NOT NULL,
    -- The nonces of result records are derived from it. A build learns its own nonce alone.
    secret        TEXT NOT NULL,
    -- While packages are examined for builds under a new toolchain: the id of the last one examined.
    rebuild_after INTEGER,
    -- While the rechecks of all packages are made due, the newest package first: the id of the last one.
    recheck_before INTEGER,
    -- While the history is entered into the comparisons of versions: the id of the last row entered.
    compared_after INTEGER,
    -- While it is entered into the shares of packages that work: the same.
    counted_after INTEGER,
    -- While packages are examined for sources that were never analysed for other targets: the id of the last one
    -- examined. -1: before the most used ones, which go first.
    analysed_after INTEGER
) STRICT;

-- A named git repository that is checked again and again.
CREATE TABLE IF NOT EXISTS packages (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    name             TEXT NOT NULL UNIQUE,
    url              TEXT NOT NULL UNIQUE,
    ref              TEXT,
    -- Where its build.zig is; null: at the root.
    dir              TEXT,
    description      TEXT,
    author           TEXT,
    license          TEXT,
    source_type      TEXT NOT NULL DEFAULT 'git',
    created_at       INTEGER NOT NULL,
    last_updated     INTEGER NOT NULL,
    -- A million for each known package that depends on it, and one for each view.
    popularity_score INTEGER NOT NULL DEFAULT 0,
    -- When its remote is checked next; null: only on request, or not while it is paused.
    next_check       INTEGER,
    -- Its identity: the URL in the form that all URLs of one repository share. Null: another package has it.
    repository       TEXT,
    -- 1: its source was fetched. Until then it gives name and repository to the next submission that asks for them.
    fetched          INTEGER NOT NULL DEFAULT 0,
    -- The lowest Zig version that the manifest of its latest source declares; null: none.
    minimum_zig_version TEXT,
    -- Not null: it is gone, and has neither name nor repository. What becomes of its checks, a few in each turn:
    -- 'delete': they go, with their builds; 'detach': they stay without a package. The row goes last.
    removal          TEXT,
    -- Since when nothing of it is checked or built, until an admin resumes it; null: it is not paused.
    paused_at        INTEGER
) STRICT;

-- What admins have changed, the newest rows.
CREATE TABLE IF NOT EXISTS audit (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    at   INTEGER NOT NULL,
    -- A user over the admin socket: 'root', 'user 997'; else the token, and from where it came: 'file (192.0.2.7)'. Only
    -- that in older rows.
    who  TEXT NOT NULL,
    -- Method and path, as in the reference of the API with its names filled in.
    call TEXT NOT NULL,
    -- The body that was sent; empty: none.
    body TEXT NOT NULL
) STRICT;

-- Tokens of admins and of the notifier.
CREATE TABLE IF NOT EXISTS tokens (
    name       TEXT PRIMARY KEY,
    -- SHA-256 of the token, which was shown once.
    hash       BLOB NOT NULL,
    scope      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    -- Of its last call, up to a day earlier.
    last_used  INTEGER
) STRICT, WITHOUT ROWID;

-- How many submissions an hour clients may make, in place of the limit for all.
CREATE TABLE IF NOT EXISTS quotas (
    -- An address or a network: '192.0.2.7', '192.0.2.0/24', '2001:db8::/64'.
    network    TEXT PRIMARY KEY,
    -- Of each client; 0: none at all.
    per_hour   INTEGER NOT NULL,
    -- For the client to read; empty: none.
    reason     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    -- When it ends; null: never.
    until      INTEGER
) STRICT, WITHOUT ROWID;

-- Hosts that packages may name beside those of --allow-hosts.
CREATE TABLE IF NOT EXISTS allowed_hosts (
    host       TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The repositories that the manifests of a package's latest source name.
CREATE TABLE IF NOT EXISTS uses (
    package_id INTEGER NOT NULL REFERENCES packages (id),
    -- In the form of packages.repository.
    repository TEXT NOT NULL,
    PRIMARY KEY (package_id, repository)
) STRICT, WITHOUT ROWID;

-- What the manifests of a package's latest source declare.
CREATE TABLE IF NOT EXISTS declared_dependencies (
    package_id INTEGER NOT NULL REFERENCES packages (id),
    name       TEXT NOT NULL,
    url        TEXT NOT NULL,
    hash       TEXT,
    -- 1: it is fetched only if build.zig asks for it.
    lazy       INTEGER NOT NULL,
    -- The repository of the URL, in the form of packages.repository; null: it names none.
    repository TEXT,
    PRIMARY KEY (package_id, name, url)
) STRICT, WITHOUT ROWID;

-- The Zig versions that the server has, and their images as the engine listed them last, each with the time it was first
-- seen.
CREATE TABLE IF NOT EXISTS toolchains (
    zig_version TEXT PRIMARY KEY,
    -- What the toolchain is known by: the recipe of its image, 'zigcheck:0.16.0-' and 16 digits, or the id of an image
    -- without one. Empty: none yet.
    image       TEXT NOT NULL,
    seen_at     INTEGER NOT NULL
) STRICT;

-- The recipes of images that were there before images had recipes. All rows of a toolchain that began so have the id of
-- its image, and mean the recipe.
CREATE TABLE IF NOT EXISTS recipes (
    image  TEXT PRIMARY KEY,
    recipe TEXT NOT NULL
) STRICT;

-- What `zig version` prints in images of a toolchain that is named otherwise, such as master.
CREATE TABLE IF NOT EXISTS dated_versions (
    -- As toolchains.image.
    toolchain     TEXT PRIMARY KEY,
    zig_version   TEXT NOT NULL,
    dated_version TEXT NOT NULL,
    seen_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Checks of all packages under one toolchain that an admin asked for: the latest one of each.
CREATE TABLE IF NOT EXISTS catalogue_checks (
    zig_version    TEXT PRIMARY KEY,
    requested_at   INTEGER NOT NULL,
    -- While packages are examined, by id: the last one examined. -1: before the most used ones, which go first.
    examined_after INTEGER,
    -- How many packages were examined, and how many of them need nothing more.
    examined       INTEGER NOT NULL DEFAULT 0,
    checked        INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The unfinished builds that these wait for.
CREATE TABLE IF NOT EXISTS catalogue_builds (
    build_id INTEGER PRIMARY KEY
) STRICT;

-- The latest verdict of a package under one toolchain. It stays until a new one replaces it.
CREATE TABLE IF NOT EXISTS build_results (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    package_id   INTEGER NOT NULL REFERENCES packages (id),
    zig_version  TEXT NOT NULL,
    build_status TEXT NOT NULL,
    test_status  TEXT,
    error_log    TEXT NOT NULL DEFAULT '',
    last_checked INTEGER,
    build_id     INTEGER REFERENCES builds (id),
    -- The newest build that is kept, finished or not. No foreign key: its check would go through this table.
    newest_build INTEGER,
    -- What share_days has of it: 1: it works, 0: it fails. Null: nothing.
    counted      INTEGER,
    UNIQUE (package_id, zig_version)
) STRICT;

-- The texts that searches read, by trigrams: of packages by their id, and the first errors of build_results by
-- theirs. Nothing but the index is kept: the text of a row that is found is read where it is.
CREATE VIRTUAL TABLE IF NOT EXISTS package_texts USING fts5 (
    text, content = '', contentless_delete = 1, detail = none, tokenize = 'trigram case_sensitive 1'
);
CREATE VIRTUAL TABLE IF NOT EXISTS error_texts USING fts5 (
    text, content = '', contentless_delete = 1, detail = none, tokenize = 'trigram case_sensitive 1'
);

-- Texts that changed and are not in these indexes yet. A commit of its own for each of them would cost more than a
-- submission; they follow when there is nothing else to do.
CREATE TABLE IF NOT EXISTS unindexed (
    -- What `id` is: 0: a package; 1: a row of build_results.
    kind INTEGER NOT NULL,
    id   INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

-- What was reported to the repositories of packages: by the system before this one, and by the notifier.
CREATE TABLE IF NOT EXISTS issues (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    package_id   INTEGER NOT NULL REFERENCES packages (id),
    zig_version  TEXT NOT NULL,
    issue_url    TEXT,
    issue_status TEXT,
    auto_created INTEGER NOT NULL DEFAULT 0,
    resolved_at  INTEGER,
    created_at   INTEGER NOT NULL
) STRICT;

-- An immutable snapshot of a package. Its file in sources/ is named by the hash.
CREATE TABLE IF NOT EXISTS sources (
    hash         TEXT PRIMARY KEY,
    format       TEXT NOT NULL,
    bytes        INTEGER NOT NULL,
    -- 1: its manifests declare dependencies.
    dependencies INTEGER NOT NULL,
    -- The hash of the dependencies that its manifests declare; null if unknown.
    manifest     TEXT,
    created_at   INTEGER NOT NULL,
    -- When a build last used it.
    used_at      INTEGER,
    -- 0: its file is deleted; only checks refer to the row.
    kept         INTEGER NOT NULL DEFAULT 1
) STRICT;

-- Fetched dependencies by the manifest that declares them. Their file in sources/ is named by the hash.
CREATE TABLE IF NOT EXISTS dependencies (
    manifest  TEXT NOT NULL,
    -- As toolchains.image.
    toolchain TEXT NOT NULL,
    hash      TEXT NOT NULL,
    bytes     INTEGER NOT NULL,
    used_at   INTEGER NOT NULL,
    PRIMARY KEY (manifest, toolchain)
) STRICT, WITHOUT ROWID;

-- What a build of a package left for the next one under the same version. Its file in sources/ is named by the hash.
CREATE TABLE IF NOT EXISTS kept_caches (
    package_id  INTEGER NOT NULL REFERENCES packages (id),
    zig_version TEXT NOT NULL,
    -- What it was made with, as toolchains.image, and the commit that left it.
    toolchain   TEXT NOT NULL,
    "commit"    TEXT NOT NULL,
    hash        TEXT NOT NULL,
    bytes       INTEGER NOT NULL,
    used_at     INTEGER NOT NULL,
    PRIMARY KEY (package_id, zig_version)
) STRICT, WITHOUT ROWID;

-- Hosts that packages needed and that --allow-hosts does not name, with the number of fetches that needed them.
CREATE TABLE IF NOT EXISTS refused_hosts (
    host    TEXT PRIMARY KEY,
    count   INTEGER NOT NULL,
    last_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One request to try one source.
CREATE TABLE IF NOT EXISTS checks (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    package_id INTEGER REFERENCES packages (id),
    package    TEXT NOT NULL,
    url        TEXT,
    ref        TEXT,
    -- Where its build.zig is; null: at the root.
    dir        TEXT,
    -- 1: no verdict is taken from the cache.
    fresh      INTEGER NOT NULL DEFAULT 0,
    -- Null until the source has been fetched.
    source     TEXT REFERENCES sources (hash),
    "commit"   TEXT,
    -- When the commit was made, in seconds since 1970.
    commit_time INTEGER,
    -- The attempt to fetch the source, and how many attempts ended in an error.
    attempt    INTEGER NOT NULL DEFAULT 1,
    errors     INTEGER NOT NULL DEFAULT 0,
    -- 0: a client asked, 1: an admin asked, 2: a toolchain is new, 3: the daily recheck, 4: a search for a commit.
    priority   INTEGER NOT NULL DEFAULT 0,
    -- The client, or the owner of the package: no tenant gets all slots while others wait.
    tenant     TEXT NOT NULL DEFAULT '',
    -- 1: a search tries an older commit. The verdict is history, and not the latest of its package.
    is_try     INTEGER NOT NULL DEFAULT 0,
    -- Of the commit, as far as its repository has listed it: how many first parents it has, and its tag.
    position   INTEGER,
    tag        TEXT,
    -- Of the commits that left a cache when its source was fetched, those in its history, apart by blanks.
    ancestors  TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL
) STRICT;

-- One source under one toolchain.
CREATE TABLE IF NOT EXISTS builds (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    check_id          INTEGER NOT NULL REFERENCES checks (id),
    zig_version       TEXT NOT NULL,
    -- What it ran under, as toolchains.image.
    toolchain         TEXT,
    state             TEXT NOT NULL DEFAULT 'queued',
    build_status      TEXT NOT NULL DEFAULT 'pending',
    test_status       TEXT,
    import_status     TEXT,
    reason            TEXT,
    -- One sentence that says what happened.
    detail            TEXT NOT NULL DEFAULT '',
    compiled          INTEGER,
    tests_passed      INTEGER,
    tests_skipped     INTEGER,
    tests_total       INTEGER,
    -- What it exports and how that compiles as a dependency: a JSON array, or empty.
    modules           TEXT NOT NULL DEFAULT '',
    -- What zig build -l lists, the names apart by line ends.
    steps             TEXT NOT NULL DEFAULT '',
    -- The lowest Zig version that its manifest declares.
    minimum_zig_version TEXT,
    -- How long its steps took by Zig's own summaries.
    zig_ms            INTEGER,
    -- 1: the same source under the same toolchain has come to different verdicts.
    flaky             INTEGER NOT NULL DEFAULT 0,
    -- How what it exports compiles for other targets: a JSON array, or empty while that is not known.
    targets           TEXT NOT NULL DEFAULT '',
    error_log         TEXT NOT NULL DEFAULT '',
    attempt           INTEGER NOT NULL DEFAULT 1,
    -- How many attempts ended in an error; those that a restart interrupted do not count.
    errors            INTEGER NOT NULL DEFAULT 0,
    created_at        INTEGER NOT NULL,
    started_at        INTEGER,
    finished_at       INTEGER,
    peak_memory_bytes INTEGER,
    log_bytes         INTEGER NOT NULL DEFAULT 0,
    log_truncated     INTEGER NOT NULL DEFAULT 0,
    -- When the container of this attempt was started, and the offset in the log of its first byte.
    run_at            INTEGER,
    log_offset        INTEGER,
    -- The node that the container ran on; null: this machine, or it has not been started.
    node              TEXT,
    -- How fetching its dependencies ended; null if there were none to fetch.
    deps_outcome      TEXT,
    -- The commit whose cache its container was given; null: none, or it used nothing of it.
    reused_commit     TEXT,
    -- 1: an attempt that was given one did not succeed, so the next ones are given none.
    no_reuse          INTEGER NOT NULL DEFAULT 0,
    -- Source, toolchain, limits and runner: the same key, the same verdict.
    cache_key         TEXT,
    -- The build whose verdict this is.
    cached_from       INTEGER REFERENCES builds (id),
    -- The running build of the same key whose verdict this will be.
    waits_for         INTEGER REFERENCES builds (id),
    -- How many rows of build_results and cached builds refer to this one: it stays while there are any.
    ref_count         INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The tasks that wait for a slot.
CREATE TABLE IF NOT EXISTS queue (
    -- Orders tasks by age.
    ticket     INTEGER PRIMARY KEY AUTOINCREMENT,
    -- What `id` is, and the task: 0: a check, fetch its source; 1: a build; 2: a package, check its remote; 3: a
    -- package, list its commits; 4: a build, analyse its source for other targets.
    kind       INTEGER NOT NULL,
    id         INTEGER NOT NULL,
    priority   INTEGER NOT NULL,
    tenant     TEXT NOT NULL,
    popularity INTEGER NOT NULL,
    -- When it may start; 0: now.
    not_before INTEGER NOT NULL DEFAULT 0,
    UNIQUE (kind, id)
) STRICT;

-- The builds whose sources are to be analysed for other targets. A row goes with the answer.
CREATE TABLE IF NOT EXISTS target_checks (
    build_id INTEGER PRIMARY KEY,
    -- As those of a build.
    attempt  INTEGER NOT NULL DEFAULT 1,
    errors   INTEGER NOT NULL DEFAULT 0
) STRICT;

-- How many tasks of each priority may start now, and how many only later. The triggers below keep it.
CREATE TABLE IF NOT EXISTS waiting (
    priority INTEGER PRIMARY KEY,
    ready    INTEGER NOT NULL,
    paused   INTEGER NOT NULL
) STRICT;

-- One row for each priority and tenant with tasks that may start, and the best of these tasks.
CREATE TABLE IF NOT EXISTS lanes (
    priority   INTEGER NOT NULL,
    tenant     TEXT NOT NULL,
    -- When it is served next: lanes of a lower round come first.
    round      INTEGER NOT NULL,
    popularity INTEGER NOT NULL,
    ticket     INTEGER NOT NULL,
    PRIMARY KEY (priority, tenant)
) STRICT, WITHOUT ROWID;

-- What happened to builds, for watchers that reconnect. Only the newest are kept.
CREATE TABLE IF NOT EXISTS events (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    build_id     INTEGER NOT NULL REFERENCES builds (id),
    state        TEXT NOT NULL,
    build_status TEXT NOT NULL,
    test_status  TEXT,
    reason       TEXT,
    at           INTEGER NOT NULL,
    -- 'newly_broken', 'newly_fixed': what the verdict of the build changes. Null: the build came to that state.
    transition   TEXT
) STRICT;

-- Moving averages of how long builds took: of a package under a toolchain, of all packages under it
-- (the empty package), and of fetching a source (the empty version). Uploads of a name are 'upload:NAME'.
CREATE TABLE IF NOT EXISTS durations (
    package     TEXT NOT NULL,
    zig_version TEXT NOT NULL,
    duration_ms INTEGER NOT NULL,
    builds      INTEGER NOT NULL,
    -- Rises with each update: the average updated last has the highest.
    update_seq  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (package, zig_version)
) STRICT, WITHOUT ROWID;

-- What a commit of a package came to under a toolchain. A row outlives its build and its log, and is replaced only by a
-- later verdict of the same commit and toolchain. Texts that many rows share are ids of history_texts.
CREATE TABLE IF NOT EXISTS history (
    -- Rises with each verdict.
    id                  INTEGER PRIMARY KEY,
    package_id          INTEGER NOT NULL REFERENCES packages (id),
    -- The bytes of its hash.
    "commit"            BLOB NOT NULL,
    -- In seconds since 1970.
    commit_time         INTEGER,
    -- How many first parents it has; null: unknown, since a source is a shallow clone.
    position            INTEGER,
    tag                 INTEGER REFERENCES history_texts (id),
    -- 1: a search tried an older commit; 0: it was the latest.
    is_try              INTEGER NOT NULL DEFAULT 0,
    zig_version         INTEGER NOT NULL REFERENCES history_texts (id),
    -- As toolchains.image.
    toolchain           INTEGER NOT NULL REFERENCES history_texts (id),
    build_status        TEXT NOT NULL,
    test_status         TEXT,
    import_status       TEXT,
    reason              TEXT,
    -- The first error without what differs between packages, and where it is.
    error_key           INTEGER REFERENCES history_texts (id),
    error_place         INTEGER REFERENCES history_texts (id),
    minimum_zig_version INTEGER REFERENCES history_texts (id),
    steps               INTEGER REFERENCES history_texts (id),
    compiled            INTEGER,
    tests_passed        INTEGER,
    tests_skipped       INTEGER,
    tests_total         INTEGER,
    zig_ms              INTEGER,
    peak_memory_bytes   INTEGER,
    checked_at          INTEGER NOT NULL
) STRICT;

-- The search for the newest commit of a package that works under a toolchain.
CREATE TABLE IF NOT EXISTS commit_searches (
    package_id  INTEGER NOT NULL REFERENCES packages (id),
    zig_version TEXT NOT NULL,
    -- 'waiting': for other searches to end; 'listing': its repository is asked for its commits; 'trying'; 'finished';
    -- 'cancelled'.
    state       TEXT NOT NULL,
    -- Those of its checks.
    priority    INTEGER NOT NULL,
    tenant      TEXT NOT NULL,
    -- What it began with: as toolchains.image, and the commit that did not work.
    toolchain   TEXT NOT NULL,
    head        TEXT NOT NULL,
    -- Builds that it asked for, and about how many there will be.
    tried       INTEGER NOT NULL DEFAULT 0,
    expected    INTEGER NOT NULL DEFAULT 0,
    -- Its build under way.
    build_id    INTEGER,
    -- How often its commits could not be listed.
    errors      INTEGER NOT NULL DEFAULT 0,
    -- The commits whose builds said nothing of the package, apart by blanks.
    unclear     TEXT NOT NULL DEFAULT '',
    changed_at  INTEGER NOT NULL,
    PRIMARY KEY (package_id, zig_version)
) STRICT, WITHOUT ROWID;

-- The first parents of the latest commit of a package, while searches need them, as the repository listed them.
CREATE TABLE IF NOT EXISTS commit_lists (
    package_id INTEGER PRIMARY KEY REFERENCES packages (id),
    commits    TEXT NOT NULL
) STRICT;

-- The verdicts by which a package stopped to work under a version, or began to.
CREATE TABLE IF NOT EXISTS transitions (
    -- 'newly_broken', 'newly_fixed'.
    transition  TEXT NOT NULL,
    package_id  INTEGER NOT NULL REFERENCES packages (id),
    zig_version TEXT NOT NULL,
    -- The verdict as people read it, and the one before it: of the same version or, if there was none, of an older one.
    word        TEXT NOT NULL,
    old_word    TEXT NOT NULL,
    old_version TEXT NOT NULL,
    "commit"    TEXT,
    old_commit  TEXT,
    at          INTEGER NOT NULL,
    -- No foreign keys: builds are deleted, rows of the history are replaced.
    build_id    INTEGER,
    history_row INTEGER,
    PRIMARY KEY (package_id, zig_version, at, transition)
) STRICT, WITHOUT ROWID;

-- The texts that rows of history share. One that no row refers to is deleted.
CREATE TABLE IF NOT EXISTS history_texts (
    id        INTEGER PRIMARY KEY,
    text      TEXT NOT NULL UNIQUE,
    ref_count INTEGER NOT NULL DEFAULT 0,
    -- 1: it is the first error of a verdict.
    is_error  INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Packages whose verdicts are counted together from a day on. Set 0 has all packages.
CREATE TABLE IF NOT EXISTS share_sets (
    id           INTEGER PRIMARY KEY,
    -- In days since 1970.
    day          INTEGER NOT NULL,
    -- Its newest package; null: as long as its day is not over, each new package is in it.
    last_package INTEGER,
    packages     INTEGER NOT NULL
) STRICT;

-- How many packages of a set work and fail under a version at the end of a day, for the days on which that changed.
CREATE TABLE IF NOT EXISTS share_days (
    set_id      INTEGER NOT NULL REFERENCES share_sets (id),
    zig_version TEXT NOT NULL,
    day         INTEGER NOT NULL,
    works       INTEGER NOT NULL,
    fails       INTEGER NOT NULL,
    PRIMARY KEY (set_id, zig_version, day)
) STRICT, WITHOUT ROWID;

-- How many builds ended on a day: those from the cache, those that ended in an error, and those that had a slot, with
-- how long they waited for it.
CREATE TABLE IF NOT EXISTS build_days (
    -- In days since 1970.
    day             INTEGER PRIMARY KEY,
    builds          INTEGER NOT NULL,
    cached          INTEGER NOT NULL,
    errors          INTEGER NOT NULL,
    started         INTEGER NOT NULL,
    waited_ms       INTEGER NOT NULL,
    longest_wait_ms INTEGER NOT NULL
) STRICT;

-- How many builds ended under each Zig version, by status and reason.
CREATE TABLE IF NOT EXISTS build_counts (
    zig_version  TEXT NOT NULL,
    -- 'pending': they were cancelled.
    build_status TEXT NOT NULL,
    -- Empty: none.
    reason       TEXT NOT NULL,
    builds       INTEGER NOT NULL,
    -- Those of them that took a verdict from the cache.
    cached       INTEGER NOT NULL,
    -- When the last of them ended.
    last_at      INTEGER NOT NULL,
    PRIMARY KEY (zig_version, build_status, reason)
) STRICT, WITHOUT ROWID;

-- The Zig versions that packages were tried under, with how many packages each.
CREATE TABLE IF NOT EXISTS tried_versions (
    id          INTEGER PRIMARY KEY,
    zig_version TEXT NOT NULL UNIQUE,
    packages    INTEGER NOT NULL DEFAULT 0
) STRICT;

-- That a package was tried under a version, and how it got past its last failure there if it works now: the error, as in
-- history, and the last commit that failed with the first one behind it that works.
CREATE TABLE IF NOT EXISTS tried (
    package_id  INTEGER NOT NULL REFERENCES packages (id),
    version     INTEGER NOT NULL REFERENCES tried_versions (id),
    error_key   INTEGER,
    error_place INTEGER,
    failing     BLOB,
    working     BLOB,
    PRIMARY KEY (package_id, version)
) STRICT, WITHOUT ROWID;

-- What changed for a package from an older Zig version to a newer one, at its newest commit that was tried under both.
CREATE TABLE IF NOT EXISTS comparisons (
    package_id  INTEGER NOT NULL REFERENCES packages (id),
    older       INTEGER NOT NULL REFERENCES tried_versions (id),
    newer       INTEGER NOT NULL REFERENCES tried_versions (id),
    outcome     TEXT NOT NULL,
    "commit"    BLOB NOT NULL,
    commit_time INTEGER NOT NULL,
    -- The two rows of history; null: that try ended in an error.
    older_row   INTEGER,
    newer_row   INTEGER,
    -- Why it broke, if it did: texts of history or 0, and the reason or nothing.
    error_key   INTEGER NOT NULL,
    error_place INTEGER NOT NULL,
    reason      TEXT NOT NULL,
    PRIMARY KEY (package_id, older, newer)
) STRICT, WITHOUT ROWID;

-- How many packages have each outcome between two versions, and how many broke in the same way. The triggers below
-- keep both.
CREATE TABLE IF NOT EXISTS comparison_counts (
    older    INTEGER NOT NULL,
    newer    INTEGER NOT NULL,
    outcome  TEXT NOT NULL,
    packages INTEGER NOT NULL,
    PRIMARY KEY (older, newer, outcome)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS comparison_groups (
    older       INTEGER NOT NULL,
    newer       INTEGER NOT NULL,
    error_key   INTEGER NOT NULL,
    error_place INTEGER NOT NULL,
    reason      TEXT NOT NULL,
    packages    INTEGER NOT NULL,
    PRIMARY KEY (older, newer, error_key, error_place, reason)
) STRICT, WITHOUT ROWID;

-- One row: how much there is of what retention limits. The triggers below keep it, so that no statement
-- goes through a whole table to count.
CREATE TABLE IF NOT EXISTS totals (
    -- Finished or cancelled.
    builds           INTEGER NOT NULL,
    -- The logs of these builds.
    log_bytes        INTEGER NOT NULL,
    -- The files in sources/.
    source_bytes     INTEGER NOT NULL,
    dependency_bytes INTEGER NOT NULL,
    durations        INTEGER NOT NULL,
    -- Rows that are gone for ever. Ids are given one after the other, so that the rest is what there is.
    packages_gone    INTEGER NOT NULL DEFAULT 0,
    builds_gone      INTEGER NOT NULL DEFAULT 0,
    -- The files of kept_caches.
    kept_bytes       INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX IF NOT EXISTS dated_versions_by_name ON dated_versions (zig_version, dated_version);
CREATE INDEX IF NOT EXISTS builds_by_check ON builds (check_id);
CREATE INDEX IF NOT EXISTS builds_by_state ON builds (state);
-- Of an attempt that waits for a node, or of an earlier one.
CREATE INDEX IF NOT EXISTS builds_begun ON builds (id) WHERE state = 'queued' AND started_at NOT NULL;
CREATE INDEX IF NOT EXISTS builds_by_status ON builds (build_status);
CREATE INDEX IF NOT EXISTS builds_by_version ON builds (zig_version);
CREATE INDEX IF NOT EXISTS builds_by_end ON builds (ifnull(finished_at, 0));
-- Uploads by the name they bear.
CREATE INDEX IF NOT EXISTS checks_of_uploads ON checks (package) WHERE package_id IS NULL AND url IS NULL;
CREATE INDEX IF NOT EXISTS checks_by_package_id ON checks (package_id);
CREATE INDEX IF NOT EXISTS checks_by_commit ON checks (package_id, "commit") WHERE "commit" NOT NULL;
CREATE INDEX IF NOT EXISTS builds_by_key ON builds (cache_key, id)
    WHERE cache_key NOT NULL AND cached_from IS NULL AND build_status IN ('success', 'failed');
CREATE INDEX IF NOT EXISTS builds_by_leader ON builds (waits_for) WHERE waits_for NOT NULL;
CREATE INDEX IF NOT EXISTS builds_by_original ON builds (cached_from) WHERE cached_from NOT NULL;
CREATE INDEX IF NOT EXISTS packages_by_next_check ON packages (next_check) WHERE next_check NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS packages_by_repository ON packages (repository);
-- The path of the repository, behind the host.
CREATE INDEX IF NOT EXISTS packages_by_path
    ON packages (lower(substr(repository, 9 + instr(substr(repository, 9), '/'))), id);
-- What packages are listed by. A package that is gone has a name that sorts behind all others.
CREATE INDEX IF NOT EXISTS packages_by_update ON packages (last_updated) WHERE removal IS NULL;
CREATE INDEX IF NOT EXISTS packages_by_popularity ON packages (popularity_score) WHERE removal IS NULL;
CREATE INDEX IF NOT EXISTS packages_by_author ON packages (author) WHERE author NOT NULL;
CREATE INDEX IF NOT EXISTS packages_by_license ON packages (lower(license)) WHERE license NOT NULL;
CREATE INDEX IF NOT EXISTS issues_by_package ON issues (package_id, zig_version);
-- Those that are open.
CREATE INDEX IF NOT EXISTS issues_open ON issues (id) WHERE resolved_at IS NULL AND ifnull(issue_status, 'open') = 'open';
CREATE INDEX IF NOT EXISTS build_results_by_status ON build_results (build_status, zig_version, package_id);
CREATE INDEX IF NOT EXISTS packages_removed ON packages (id) WHERE removal NOT NULL;
CREATE INDEX IF NOT EXISTS uses_by_repository ON uses (repository);
CREATE INDEX IF NOT EXISTS sources_kept ON sources (used_at, hash) WHERE kept = 1;
CREATE INDEX IF NOT EXISTS dependencies_by_use ON dependencies (used_at);
CREATE INDEX IF NOT EXISTS kept_caches_by_use ON kept_caches (used_at);
CREATE INDEX IF NOT EXISTS queue_by_lane ON queue (priority, tenant, popularity DESC, ticket)
    WHERE not_before = 0;
CREATE INDEX IF NOT EXISTS queue_by_popularity ON queue (priority, popularity DESC, ticket);
CREATE INDEX IF NOT EXISTS queue_by_time ON queue (not_before, ticket, priority) WHERE not_before > 0;
-- The oldest fetch or build that a client asked for.
CREATE INDEX IF NOT EXISTS queue_of_clients ON queue (priority) WHERE priority = 0 AND kind < 2;
CREATE INDEX IF NOT EXISTS lanes_in_order ON lanes (priority, round, popularity DESC, ticket);

-- For retention: what may be deleted, and what refers to it.
CREATE INDEX IF NOT EXISTS builds_unreferenced ON builds (id)
    WHERE ref_count = 0 AND state IN ('finished', 'cancelled');
CREATE INDEX IF NOT EXISTS build_results_by_build ON build_results (build_id)
    WHERE build_id NOT NULL;
CREATE INDEX IF NOT EXISTS events_by_build ON events (build_id);
CREATE INDEX IF NOT EXISTS checks_by_source ON checks (source) WHERE source NOT NULL;
CREATE INDEX IF NOT EXISTS dependencies_by_hash ON dependencies (hash);
CREATE INDEX IF NOT EXISTS kept_caches_by_hash ON kept_caches (hash);
CREATE INDEX IF NOT EXISTS durations_by_update ON durations (update_seq);
CREATE INDEX IF NOT EXISTS durations_by_length ON durations (duration_ms)
    WHERE package <> '' AND zig_version <> '' AND substr(package, 1, 7) <> 'upload:';
CREATE INDEX IF NOT EXISTS history_texts_common ON history_texts (ref_count) WHERE is_error = 1;

CREATE UNIQUE INDEX IF NOT EXISTS history_by_commit ON history (package_id, "commit", toolchain);
CREATE INDEX IF NOT EXISTS history_by_package ON history (package_id);
CREATE INDEX IF NOT EXISTS history_by_version ON history (package_id, zig_version);
CREATE INDEX IF NOT EXISTS history_by_time ON history (package_id, zig_version, commit_time, position);
CREATE INDEX IF NOT EXISTS history_that_works ON history (package_id, zig_version, commit_time, position)
    WHERE build_status = 'success' AND test_status IS NOT 'failed' AND import_status IS NOT 'failed';
CREATE INDEX IF NOT EXISTS commit_searches_open ON commit_searches (state, priority, changed_at)
    WHERE state IN ('waiting', 'listing', 'trying');
CREATE INDEX IF NOT EXISTS history_by_error ON history (error_key, zig_version, package_id) WHERE error_key NOT NULL;

CREATE INDEX IF NOT EXISTS transitions_by_time ON transitions (transition, at);
CREATE INDEX IF NOT EXISTS transitions_by_version ON transitions (transition, zig_version, at);
CREATE INDEX IF NOT EXISTS transitions_by_package ON transitions (transition, package_id, at);

CREATE INDEX IF NOT EXISTS tried_past ON tried (version, error_key, error_place) WHERE error_key NOT NULL;
CREATE INDEX IF NOT EXISTS comparisons_by_outcome ON comparisons (older, newer, outcome, error_key, error_place, reason);
CREATE INDEX IF NOT EXISTS comparison_groups_by_size ON comparison_groups (older, newer, packages);

CREATE TRIGGER IF NOT EXISTS tried_inserted AFTER INSERT ON tried
BEGIN
    UPDATE tried_versions SET packages = packages + 1 WHERE id = NEW.version;
END;
CREATE TRIGGER IF NOT EXISTS tried_deleted AFTER DELETE ON tried
BEGIN
    UPDATE tried_versions SET packages = packages - 1 WHERE id = OLD.version;
END;
CREATE TRIGGER IF NOT EXISTS comparisons_inserted AFTER INSERT ON comparisons
BEGIN
    INSERT INTO comparison_counts (older, newer, outcome, packages) VALUES (NEW.older, NEW.newer, NEW.outcome, 1)
        ON CONFLICT DO UPDATE SET packages = packages + 1;
    INSERT INTO comparison_groups (older, newer, error_key, error_place, reason, packages)
        SELECT NEW.older, NEW.newer, NEW.error_key, NEW.error_place, NEW.reason, 1 WHERE NEW.outcome = 'newly_broken'
        ON CONFLICT DO UPDATE SET packages = packages + 1;
END;
CREATE TRIGGER IF NOT EXISTS comparisons_deleted AFTER DELETE ON comparisons
BEGIN
    UPDATE comparison_counts SET packages = packages - 1
        WHERE older = OLD.older AND newer = OLD.newer AND outcome = OLD.outcome;
    UPDATE comparison_groups SET packages = packages - 1 WHERE OLD.outcome = 'newly_broken' AND older = OLD.older
        AND newer = OLD.newer AND error_key = OLD.error_key AND error_place = OLD.error_place AND reason = OLD.reason;
    DELETE FROM comparison_groups WHERE packages = 0 AND older = OLD.older AND newer = OLD.newer
        AND error_key = OLD.error_key AND error_place = OLD.error_place AND reason = OLD.reason;
END;

CREATE TRIGGER IF NOT EXISTS history_inserted AFTER INSERT ON history
BEGIN
    UPDATE history_texts SET ref_count = ref_count + 1 WHERE id IN (NEW.zig_version, NEW.toolchain,
        NEW.error_key, NEW.error_place, NEW.minimum_zig_version, NEW.steps, NEW.tag);
    UPDATE history_texts SET is_error = 1 WHERE id = NEW.error_key AND is_error = 0;
END;
CREATE TRIGGER IF NOT EXISTS history_deleted AFTER DELETE ON history
BEGIN
    UPDATE history_texts SET ref_count = ref_count - 1 WHERE id IN (OLD.zig_version, OLD.toolchain,
        OLD.error_key, OLD.error_place, OLD.minimum_zig_version, OLD.steps, OLD.tag);
    DELETE FROM history_texts WHERE ref_count = 0 AND id IN (OLD.zig_version, OLD.toolchain,
        OLD.error_key, OLD.error_place, OLD.minimum_zig_version, OLD.steps, OLD.tag);
END;

CREATE TRIGGER IF NOT EXISTS packages_removed_first AFTER UPDATE OF removal ON packages
    WHEN OLD.removal IS NULL AND NEW.removal NOT NULL
BEGIN
    UPDATE totals SET packages_gone = packages_gone + 1;
END;
CREATE TRIGGER IF NOT EXISTS packages_deleted AFTER DELETE ON packages WHEN OLD.removal IS NULL
BEGIN
    UPDATE totals SET packages_gone = packages_gone + 1;
END;

-- Searches read name, description and URL of a package, and at the errors of its latest verdicts. A new package is noted
-- by the statement behind its insert: with a trigger SQLite would copy each page that the insert changes.
CREATE TRIGGER IF NOT EXISTS package_text_updated AFTER UPDATE OF name, description, url ON packages
BEGIN
    INSERT INTO unindexed (kind, id) VALUES (0, NEW.id) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER IF NOT EXISTS error_text_updated AFTER UPDATE OF error_log ON build_results
    WHEN OLD.error_log <> NEW.error_log
BEGIN
    INSERT INTO unindexed (kind, id) VALUES (1, NEW.id) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER IF NOT EXISTS error_text_deleted AFTER DELETE ON build_results WHEN OLD.error_log <> ''
BEGIN
    INSERT INTO unindexed (kind, id) VALUES (1, OLD.id) ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER IF NOT EXISTS build_results_updated AFTER UPDATE OF build_id ON build_results
    WHEN OLD.build_id IS NOT NEW.build_id
BEGIN
    UPDATE builds SET ref_count = ref_count - 1 WHERE id = OLD.build_id;
    UPDATE builds SET ref_count = ref_count + 1 WHERE id = NEW.build_id;
END;
CREATE TRIGGER IF NOT EXISTS build_results_deleted AFTER DELETE ON build_results WHEN OLD.build_id NOT NULL
BEGIN
    UPDATE builds SET ref_count = ref_count - 1 WHERE id = OLD.build_id;
END;

-- No trigger is on the inserts of builds and build_results, which make a submission: with one SQLite keeps a copy of each
-- page that the insert changes. A build is inserted as pending and refers to none, a verdict follows later.
CREATE TRIGGER IF NOT EXISTS builds_finished AFTER UPDATE OF state ON builds
    WHEN (OLD.state IN ('finished', 'cancelled')) <> (NEW.state IN ('finished', 'cancelled'))
BEGIN
    UPDATE totals SET builds = builds + iif(NEW.state IN ('finished', 'cancelled'), 1, -1);
END;
CREATE TRIGGER IF NOT EXISTS builds_cached AFTER UPDATE OF cached_from ON builds
    WHEN OLD.cached_from IS NOT NEW.cached_from
BEGIN
    UPDATE builds SET ref_count = ref_count - 1 WHERE id = OLD.cached_from;
    UPDATE builds SET ref_count = ref_count + 1 WHERE id = NEW.cached_from;
END;
CREATE TRIGGER IF NOT EXISTS builds_deleted AFTER DELETE ON builds
BEGIN
    UPDATE totals SET builds = builds - (OLD.state IN ('finished', 'cancelled')), builds_gone = builds_gone + 1;
    UPDATE builds SET ref_count = ref_count - 1 WHERE id = OLD.cached_from;
    DELETE FROM target_checks WHERE build_id = OLD.id;
END;

-- A log takes at most 4 MiB (LOG_LIMIT_BYTES). A cached build has no log of its own.
CREATE TRIGGER IF NOT EXISTS logs_updated AFTER UPDATE OF state, log_bytes, cached_from ON builds
BEGIN
    UPDATE totals SET log_bytes = log_bytes
        - iif(OLD.state IN ('finished', 'cancelled') AND OLD.cached_from IS NULL, min(OLD.log_bytes, 4194304), 0)
        + iif(NEW.state IN ('finished', 'cancelled') AND NEW.cached_from IS NULL, min(NEW.log_bytes, 4194304), 0)
        WHERE OLD.state IN ('finished', 'cancelled') OR NEW.state IN ('finished', 'cancelled');
END;
CREATE TRIGGER IF NOT EXISTS logs_deleted AFTER DELETE ON builds
    WHEN OLD.state IN ('finished', 'cancelled') AND OLD.cached_from IS NULL
BEGIN
    UPDATE totals SET log_bytes = log_bytes - min(OLD.log_bytes, 4194304);
END;

CREATE TRIGGER IF NOT EXISTS sources_inserted AFTER INSERT ON sources
BEGIN
    UPDATE totals SET source_bytes = source_bytes + NEW.kept * NEW.bytes;
    UPDATE sources SET used_at = created_at WHERE hash = NEW.hash AND used_at IS NULL;
END;
CREATE TRIGGER IF NOT EXISTS sources_updated AFTER UPDATE OF kept, bytes ON sources
BEGIN
    UPDATE totals SET
        source_bytes = source_bytes - OLD.kept * OLD.bytes + NEW.kept * NEW.bytes;
END;
CREATE TRIGGER IF NOT EXISTS sources_deleted AFTER DELETE ON sources
BEGIN
    UPDATE totals SET source_bytes = source_bytes - OLD.kept * OLD.bytes;
END;

CREATE TRIGGER IF NOT EXISTS dependencies_inserted AFTER INSERT ON dependencies
BEGIN
    UPDATE totals SET dependency_bytes = dependency_bytes + NEW.bytes;
END;
CREATE TRIGGER IF NOT EXISTS dependencies_updated AFTER UPDATE OF bytes ON dependencies
BEGIN
    UPDATE totals SET dependency_bytes = dependency_bytes - OLD.bytes + NEW.bytes;
END;
CREATE TRIGGER IF NOT EXISTS dependencies_deleted AFTER DELETE ON dependencies
BEGIN
    UPDATE totals SET dependency_bytes = dependency_bytes - OLD.bytes;
END;

CREATE TRIGGER IF NOT EXISTS kept_caches_inserted AFTER INSERT ON kept_caches
BEGIN
    UPDATE totals SET kept_bytes = kept_bytes + NEW.bytes;
END;
CREATE TRIGGER IF NOT EXISTS kept_caches_deleted AFTER DELETE ON kept_caches
BEGIN
    UPDATE totals SET kept_bytes = kept_bytes - OLD.bytes;
END;

CREATE TRIGGER IF NOT EXISTS durations_inserted AFTER INSERT ON durations
BEGIN
    UPDATE totals SET durations = durations + 1;
END;
CREATE TRIGGER IF NOT EXISTS durations_deleted AFTER DELETE ON durations
BEGIN
    UPDATE totals SET durations = durations - 1;
END;

CREATE TRIGGER IF NOT EXISTS queue_inserted AFTER INSERT ON queue
BEGIN
    UPDATE waiting SET ready = ready + (NEW.not_before = 0), paused = paused + (NEW.not_before > 0)
        WHERE priority = NEW.priority;
END;
CREATE TRIGGER IF NOT EXISTS queue_updated AFTER UPDATE OF not_before ON queue
BEGIN
    UPDATE waiting SET ready = ready + (NEW.not_before = 0) - (OLD.not_before = 0),
        paused = paused + (NEW.not_before > 0) - (OLD.not_before > 0) WHERE priority = NEW.priority;
END;
CREATE TRIGGER IF NOT EXISTS queue_deleted AFTER DELETE ON queue
BEGIN
    UPDATE waiting SET ready = ready - (OLD.not_before = 0), paused = paused - (OLD.not_before > 0)
        WHERE priority = OLD.priority;
END;

INSERT INTO waiting (priority, ready, paused) VALUES (0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 0, 0), (4, 0, 0), (5, 0, 0)
    ON CONFLICT DO NOTHING;
INSERT INTO share_sets (id, day, packages) VALUES (0, 0, 0) ON CONFLICT DO NOTHING;
INSERT INTO totals (builds, log_bytes, source_bytes, dependency_bytes, durations)
    SELECT 0, 0, 0, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM totals);
INSERT INTO server (id, secret)
    SELECT lower(hex(randomblob(8))), lower(hex(randomblob(32))) WHERE NOT EXISTS (SELECT 1 FROM server);
