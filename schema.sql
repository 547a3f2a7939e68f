-- Everything the server knows. Times are milliseconds since 1970 UTC.

-- One row: the name of this data directory, made once; the label of its containers. While packages
-- are looked through for builds under a new toolchain: the id of the last one looked at. The secret is
-- what the nonces of records are made of; a build is told its own nonce, and nobody this.
CREATE TABLE IF NOT EXISTS server (
    id          TEXT NOT NULL,
    sweep_after INTEGER,
    secret      TEXT
) STRICT;

-- A named Zig source that is checked again and again.
CREATE TABLE IF NOT EXISTS packages (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    name             TEXT NOT NULL UNIQUE,
    url              TEXT NOT NULL UNIQUE,
    ref              TEXT,
    description      TEXT,
    author           TEXT,
    license          TEXT,
    source_type      TEXT NOT NULL DEFAULT 'git',
    created_at       INTEGER NOT NULL,
    last_updated     INTEGER NOT NULL,
    -- A million for each known package that depends on it, and one for each time it was looked at.
    popularity_score INTEGER NOT NULL DEFAULT 0,
    -- When its remote is looked at next; null: never by itself.
    next_check       INTEGER,
    -- The URL in the one form that all URLs of the same repository have in common.
    repository       TEXT
) STRICT;

-- The repositories that the manifests of a package's latest source name, each by its URL in that
-- form: who depends on whom.
CREATE TABLE IF NOT EXISTS uses (
    package_id INTEGER NOT NULL REFERENCES packages (id),
    url        TEXT NOT NULL,
    PRIMARY KEY (package_id, url)
) STRICT, WITHOUT ROWID;

-- The images there were when the engine answered last, each with when it was first seen.
CREATE TABLE IF NOT EXISTS toolchains (
    zig_version TEXT PRIMARY KEY,
    image       TEXT NOT NULL,
    seen_at     INTEGER NOT NULL
) STRICT;

-- The latest verdict of a package under one toolchain; it stays until a new one replaces it.
CREATE TABLE IF NOT EXISTS build_results (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    package_id   INTEGER NOT NULL REFERENCES packages (id),
    zig_version  TEXT NOT NULL,
    build_status TEXT NOT NULL,
    test_status  TEXT,
    error_log    TEXT NOT NULL DEFAULT '',
    last_checked INTEGER,
    build_id     INTEGER REFERENCES builds (id),
    UNIQUE (package_id, zig_version)
) STRICT;

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

-- One immutable snapshot, kept in sources/ under its hash.
CREATE TABLE IF NOT EXISTS sources (
    hash         TEXT PRIMARY KEY,
    format       TEXT NOT NULL,
    bytes        INTEGER NOT NULL,
    dependencies INTEGER NOT NULL,
    -- The hash of what its manifests ask for; null where nobody said.
    manifest     TEXT,
    created_at   INTEGER NOT NULL,
    -- When a build last needed it.
    used_at      INTEGER,
    -- 0: its file is gone; only checks still name it.
    kept         INTEGER NOT NULL DEFAULT 1
) STRICT;

-- Fetched dependencies, kept in sources/ under their hash, by what the manifests asked for.
CREATE TABLE IF NOT EXISTS dependencies (
    manifest  TEXT NOT NULL,
    toolchain TEXT NOT NULL,
    hash      TEXT NOT NULL,
    bytes     INTEGER NOT NULL,
    used_at   INTEGER NOT NULL,
    PRIMARY KEY (manifest, toolchain)
) STRICT, WITHOUT ROWID;

-- One request to try one source; `source` is null until it has been fetched.
CREATE TABLE IF NOT EXISTS checks (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    package_id INTEGER REFERENCES packages (id),
    package    TEXT NOT NULL,
    url        TEXT,
    ref        TEXT,
    source     TEXT REFERENCES sources (hash),
    "commit"   TEXT,
    -- Of fetching its source; and how many of them ended in an error.
    attempt    INTEGER NOT NULL DEFAULT 1,
    errors     INTEGER NOT NULL DEFAULT 0,
    -- Why it is there: 0 a person asked, 1 an admin, 2 a new toolchain, 3 the daily look.
    class      INTEGER NOT NULL DEFAULT 0,
    -- Who asked, or whose package it is: no party gets all slots while others wait.
    party      TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL
) STRICT;

-- One source under one toolchain.
CREATE TABLE IF NOT EXISTS builds (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    check_id          INTEGER NOT NULL REFERENCES checks (id),
    zig_version       TEXT NOT NULL,
    toolchain         TEXT,
    state             TEXT NOT NULL DEFAULT 'queued',
    build_status      TEXT NOT NULL DEFAULT 'pending',
    test_status       TEXT,
    reason            TEXT,
    compiled          INTEGER,
    tests_passed      INTEGER,
    tests_total       INTEGER,
    error_log         TEXT NOT NULL DEFAULT '',
    attempt           INTEGER NOT NULL DEFAULT 1,
    -- Attempts that ended in an error: not those that a restart of the server has cost.
    errors            INTEGER NOT NULL DEFAULT 0,
    created_at        INTEGER NOT NULL,
    started_at        INTEGER,
    finished_at       INTEGER,
    peak_memory_bytes INTEGER,
    log_bytes         INTEGER NOT NULL DEFAULT 0,
    log_truncated     INTEGER NOT NULL DEFAULT 0,
    -- When the container of this attempt was asked for, and the offset in the log of its first byte.
    run_at            INTEGER,
    log_start         INTEGER,
    -- Its container has a name that no other server on the engine would give.
    own_name          INTEGER NOT NULL DEFAULT 0,
    -- How fetching its dependencies went, in a word; null where there were none to fetch.
    fetched           TEXT,
    -- Source, image, limits and runner: the same key, the same verdict.
    cache_key         TEXT,
    -- The build whose verdict this is.
    cached_from       INTEGER REFERENCES builds (id),
    -- The running build of the same key that this one waits for.
    shares            INTEGER REFERENCES builds (id),
    -- How many verdicts and cached builds rest on this one: while there are any, it stays.
    needed            INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What waits for a slot. kind: 0 the source of a check, 1 a build, 2 the remote of a package.
CREATE TABLE IF NOT EXISTS queue (
    ticket     INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       INTEGER NOT NULL,
    id         INTEGER NOT NULL,
    class      INTEGER NOT NULL,
    party      TEXT NOT NULL,
    popularity INTEGER NOT NULL,
    -- Held back until then; 0: not, or no longer.
    not_before INTEGER NOT NULL DEFAULT 0,
    UNIQUE (kind, id)
) STRICT;

-- Whose turn it is: one row for each class and party with work that may start, with the best of it.
CREATE TABLE IF NOT EXISTS turns (
    class      INTEGER NOT NULL,
    party      TEXT NOT NULL,
    turn       INTEGER NOT NULL,
    popularity INTEGER NOT NULL,
    ticket     INTEGER NOT NULL,
    PRIMARY KEY (class, party)
) STRICT, WITHOUT ROWID;

-- What happened to builds, newest last: replayed to watchers that come back. Only the newest are kept.
CREATE TABLE IF NOT EXISTS events (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    build_id     INTEGER NOT NULL REFERENCES builds (id),
    state        TEXT NOT NULL,
    build_status TEXT NOT NULL,
    test_status  TEXT,
    reason       TEXT,
    at           INTEGER NOT NULL
) STRICT;

-- How long builds took lately, on a moving average: of a package under a toolchain, of all packages
-- under it (the empty package), and of fetching a source (the empty version).
CREATE TABLE IF NOT EXISTS durations (
    package     TEXT NOT NULL,
    zig_version TEXT NOT NULL,
    duration_ms INTEGER NOT NULL,
    builds      INTEGER NOT NULL,
    -- Rises: the one noted last has the highest.
    noted       INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (package, zig_version)
) STRICT, WITHOUT ROWID;

-- One row: how much there is of what is kept within limits. The triggers below keep count, so that
-- nobody has to go through a table for it.
CREATE TABLE IF NOT EXISTS tallies (
    -- Finished or cancelled.
    builds           INTEGER NOT NULL,
    -- Of the files in sources/.
    source_bytes     INTEGER NOT NULL,
    dependency_bytes INTEGER NOT NULL,
    durations        INTEGER NOT NULL,
    -- Of the logs of those builds; not counted yet where it is below 0.
    log_bytes        INTEGER NOT NULL DEFAULT -1
) STRICT;

CREATE INDEX IF NOT EXISTS builds_by_check ON builds (check_id);
CREATE INDEX IF NOT EXISTS builds_by_state ON builds (state);
CREATE INDEX IF NOT EXISTS builds_by_status ON builds (build_status);
CREATE INDEX IF NOT EXISTS builds_by_version ON builds (zig_version);
CREATE INDEX IF NOT EXISTS builds_by_end ON builds (finished_at);
CREATE INDEX IF NOT EXISTS checks_by_package ON checks (package);
CREATE INDEX IF NOT EXISTS checks_by_package_id ON checks (package_id);
CREATE INDEX IF NOT EXISTS builds_by_key ON builds (cache_key, id)
    WHERE cache_key NOT NULL AND cached_from IS NULL AND build_status IN ('success', 'failed');
CREATE INDEX IF NOT EXISTS builds_sharing ON builds (shares) WHERE shares NOT NULL;
CREATE INDEX IF NOT EXISTS builds_cached ON builds (cached_from) WHERE cached_from NOT NULL;
CREATE INDEX IF NOT EXISTS packages_by_next_check ON packages (next_check) WHERE next_check NOT NULL;
CREATE INDEX IF NOT EXISTS packages_by_repository ON packages (repository);
CREATE INDEX IF NOT EXISTS uses_by_url ON uses (url);
CREATE INDEX IF NOT EXISTS sources_kept ON sources (used_at, hash) WHERE kept = 1;
CREATE INDEX IF NOT EXISTS dependencies_by_use ON dependencies (used_at);
CREATE INDEX IF NOT EXISTS queue_of_party ON queue (class, party, popularity DESC, ticket)
    WHERE not_before = 0;
CREATE INDEX IF NOT EXISTS queue_by_popularity ON queue (class, popularity DESC, ticket);
CREATE INDEX IF NOT EXISTS queue_held_back ON queue (not_before, ticket, class) WHERE not_before > 0;
CREATE INDEX IF NOT EXISTS turns_in_order ON turns (class, turn, popularity DESC, ticket);

-- What may go, and what speaks against it.
CREATE INDEX IF NOT EXISTS builds_unneeded ON builds (id)
    WHERE needed = 0 AND state IN ('finished', 'cancelled');
CREATE INDEX IF NOT EXISTS build_results_by_build ON build_results (build_id)
    WHERE build_id NOT NULL;
CREATE INDEX IF NOT EXISTS events_by_build ON events (build_id);
CREATE INDEX IF NOT EXISTS checks_by_source ON checks (source) WHERE source NOT NULL;
CREATE INDEX IF NOT EXISTS dependencies_by_hash ON dependencies (hash);
CREATE INDEX IF NOT EXISTS durations_by_note ON durations (noted);

CREATE TRIGGER IF NOT EXISTS verdict_comes AFTER INSERT ON build_results WHEN NEW.build_id NOT NULL
BEGIN
    UPDATE builds SET needed = needed + 1 WHERE id = NEW.build_id;
END;
CREATE TRIGGER IF NOT EXISTS verdict_changes AFTER UPDATE OF build_id ON build_results
    WHEN OLD.build_id IS NOT NEW.build_id
BEGIN
    UPDATE builds SET needed = needed - 1 WHERE id = OLD.build_id;
    UPDATE builds SET needed = needed + 1 WHERE id = NEW.build_id;
END;
CREATE TRIGGER IF NOT EXISTS verdict_goes AFTER DELETE ON build_results WHEN OLD.build_id NOT NULL
BEGIN
    UPDATE builds SET needed = needed - 1 WHERE id = OLD.build_id;
END;

CREATE TRIGGER IF NOT EXISTS build_comes AFTER INSERT ON builds
    WHEN NEW.state IN ('finished', 'cancelled') OR NEW.cached_from NOT NULL
BEGIN
    UPDATE tallies SET builds = builds + (NEW.state IN ('finished', 'cancelled'));
    UPDATE builds SET needed = needed + 1 WHERE id = NEW.cached_from;
END;
CREATE TRIGGER IF NOT EXISTS build_ends AFTER UPDATE OF state ON builds
    WHEN (OLD.state IN ('finished', 'cancelled')) <> (NEW.state IN ('finished', 'cancelled'))
BEGIN
    UPDATE tallies SET builds = builds + iif(NEW.state IN ('finished', 'cancelled'), 1, -1);
END;
CREATE TRIGGER IF NOT EXISTS build_rests AFTER UPDATE OF cached_from ON builds
    WHEN OLD.cached_from IS NOT NEW.cached_from
BEGIN
    UPDATE builds SET needed = needed - 1 WHERE id = OLD.cached_from;
    UPDATE builds SET needed = needed + 1 WHERE id = NEW.cached_from;
END;
CREATE TRIGGER IF NOT EXISTS build_goes AFTER DELETE ON builds
BEGIN
    UPDATE tallies SET builds = builds - (OLD.state IN ('finished', 'cancelled'));
    UPDATE builds SET needed = needed - 1 WHERE id = OLD.cached_from;
END;

-- A log takes no more than 4 MiB (LOG_LIMIT_BYTES), and that of a cached build is another's.
CREATE TRIGGER IF NOT EXISTS log_comes AFTER INSERT ON builds
    WHEN NEW.state IN ('finished', 'cancelled') AND NEW.cached_from IS NULL
BEGIN
    UPDATE tallies SET log_bytes = log_bytes + min(NEW.log_bytes, 4194304);
END;
CREATE TRIGGER IF NOT EXISTS log_changes AFTER UPDATE OF state, log_bytes, cached_from ON builds
BEGIN
    UPDATE tallies SET log_bytes = log_bytes
        - iif(OLD.state IN ('finished', 'cancelled') AND OLD.cached_from IS NULL, min(OLD.log_bytes, 4194304), 0)
        + iif(NEW.state IN ('finished', 'cancelled') AND NEW.cached_from IS NULL, min(NEW.log_bytes, 4194304), 0)
        WHERE OLD.state IN ('finished', 'cancelled') OR NEW.state IN ('finished', 'cancelled');
END;
CREATE TRIGGER IF NOT EXISTS log_goes AFTER DELETE ON builds
    WHEN OLD.state IN ('finished', 'cancelled') AND OLD.cached_from IS NULL
BEGIN
    UPDATE tallies SET log_bytes = log_bytes - min(OLD.log_bytes, 4194304);
END;

CREATE TRIGGER IF NOT EXISTS source_comes AFTER INSERT ON sources
BEGIN
    UPDATE tallies SET source_bytes = source_bytes + NEW.kept * NEW.bytes;
    UPDATE sources SET used_at = created_at WHERE hash = NEW.hash AND used_at IS NULL;
END;
CREATE TRIGGER IF NOT EXISTS source_changes AFTER UPDATE OF kept, bytes ON sources
BEGIN
    UPDATE tallies SET
        source_bytes = source_bytes - OLD.kept * OLD.bytes + NEW.kept * NEW.bytes;
END;
CREATE TRIGGER IF NOT EXISTS source_goes AFTER DELETE ON sources
BEGIN
    UPDATE tallies SET source_bytes = source_bytes - OLD.kept * OLD.bytes;
END;

CREATE TRIGGER IF NOT EXISTS dependencies_come AFTER INSERT ON dependencies
BEGIN
    UPDATE tallies SET dependency_bytes = dependency_bytes + NEW.bytes;
END;
CREATE TRIGGER IF NOT EXISTS dependencies_change AFTER UPDATE OF bytes ON dependencies
BEGIN
    UPDATE tallies SET dependency_bytes = dependency_bytes - OLD.bytes + NEW.bytes;
END;
CREATE TRIGGER IF NOT EXISTS dependencies_go AFTER DELETE ON dependencies
BEGIN
    UPDATE tallies SET dependency_bytes = dependency_bytes - OLD.bytes;
END;

CREATE TRIGGER IF NOT EXISTS duration_comes AFTER INSERT ON durations
BEGIN
    UPDATE tallies SET durations = durations + 1;
END;
CREATE TRIGGER IF NOT EXISTS duration_goes AFTER DELETE ON durations
BEGIN
    UPDATE tallies SET durations = durations - 1;
END;
