-- Everything the server knows. Times are milliseconds since 1970 UTC.

-- One row: the name of this data directory, made once; the label of its containers.
CREATE TABLE IF NOT EXISTS server (
    id TEXT NOT NULL
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
    popularity_score INTEGER NOT NULL DEFAULT 0
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
    created_at   INTEGER NOT NULL
) STRICT;

-- One request to try one source; `source` is null until it has been fetched.
CREATE TABLE IF NOT EXISTS checks (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    package_id INTEGER REFERENCES packages (id),
    package    TEXT NOT NULL,
    url        TEXT,
    ref        TEXT,
    source     TEXT REFERENCES sources (hash),
    "commit"   TEXT,
    attempt    INTEGER NOT NULL DEFAULT 1,
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
    created_at        INTEGER NOT NULL,
    started_at        INTEGER,
    finished_at       INTEGER,
    peak_memory_bytes INTEGER,
    log_bytes         INTEGER NOT NULL DEFAULT 0,
    log_truncated     INTEGER NOT NULL DEFAULT 0
) STRICT;

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
    PRIMARY KEY (package, zig_version)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS builds_by_check ON builds (check_id);
CREATE INDEX IF NOT EXISTS builds_by_state ON builds (state);
CREATE INDEX IF NOT EXISTS builds_by_status ON builds (build_status);
CREATE INDEX IF NOT EXISTS builds_by_version ON builds (zig_version);
CREATE INDEX IF NOT EXISTS builds_by_end ON builds (finished_at);
CREATE INDEX IF NOT EXISTS builds_unfinished ON builds (id)
    WHERE state NOT IN ('finished', 'cancelled');
CREATE INDEX IF NOT EXISTS checks_by_package ON checks (package);
CREATE INDEX IF NOT EXISTS checks_by_package_id ON checks (package_id);
