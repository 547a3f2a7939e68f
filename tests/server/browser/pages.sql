-- Packages of all kinds for the pages: verdicts of each grade, errors, history, dependencies, hostile text. NOW is now,
-- in milliseconds. All toolchains are known: nothing is built for a new one meanwhile.
INSERT OR REPLACE INTO toolchains (zig_version, image, seen_at)
    SELECT value, 'sha256:' || value, NOW FROM json_each('["0.17.1","0.16.0","0.15.2","0.14.1"]');
INSERT INTO packages (id, name, url, description, author, license, created_at, last_updated, popularity_score, repository,
        fetched, minimum_zig_version, next_check) VALUES
    (1, 'zig-clap', 'https://github.com/Hejsil/zig-clap', 'Command line argument parsing library', 'Hejsil', 'MIT', NOW - 9e8,
        NOW - 1e6, 3000007, 'https://github.com/hejsil/zig-clap', 1, '0.14.0', NULL),
    (2, 'known-folders', 'https://github.com/ziglibs/known-folders', 'Access to well-known folders across several operating systems',
        'ziglibs', 'MIT', NOW - 8e8, NOW - 2e6, 2000003, 'https://github.com/ziglibs/known-folders', 1, '0.14.0', NULL),
    (3, 'zul', 'https://github.com/karlseguin/zul', 'zig utility library', 'karlseguin', 'MIT', NOW - 7e8, NOW - 3e6, 1000001,
        'https://github.com/karlseguin/zul', 1, NULL, NULL),
    (4, 'a-package-with-a-name-that-is-longer-than-any-honest-one-could-ever-need', 'https://codeberg.org/someone/long',
        'A description that goes on and on, so that lines have to be broken somewhere, also where the screen is small',
        'someone', 'MIT', NOW - 6e8, NOW - 9e7, 4, 'https://codeberg.org/someone/long', 1, NULL, NULL),
    (5, 'hostile', 'https://example.org/hostile.git', '"><script>document.title="run"</script><img src=x onerror=alert(1)>' || char(8238)
        || 'turned', '<b>', '</title>', NOW - 5e8, NOW - 8e7, 3, 'https://example.org/hostile', 1, NULL, NULL),
    (6, 'fresh', 'https://gitlab.com/g/h/fresh', NULL, NULL, NULL, NOW - 5e4, NOW - 5e4, 0, 'https://gitlab.com/g/h/fresh', 1, NULL, NULL);
INSERT INTO checks (id, package_id, package, url, "commit", commit_time, created_at)
    SELECT id, id, name, url, printf('%02d89abcdef0123456789abcdef0123456789abcd', id), NOW / 1000 - 86400, NOW - 4e6
    FROM packages WHERE id < 6;
INSERT INTO checks (id, package_id, package, url, "commit", created_at) VALUES
    (7, 1, 'zig-clap', 'https://github.com/Hejsil/zig-clap', '0189abcdef0123456789abcdef0123456789abcd', NOW - 2e6);
INSERT INTO builds (check_id, zig_version, toolchain, state, build_status, test_status, import_status, reason, detail, compiled,
        tests_passed, tests_skipped, tests_total, modules, error_log, created_at, started_at, finished_at, peak_memory_bytes)
    SELECT c.id, v.value, 'sha256:' || v.value, 'finished',
        iif(k = 0, 'failed', iif(k = 1, 'error', 'success')),
        iif(k < 2, NULL, iif(k = 3, 'failed', iif(k = 4, 'no_tests', 'success'))),
        iif(k < 2, NULL, iif(k = 5, 'partial', 'success')),
        iif(k = 0, 'compile_error', iif(k = 1, 'host_not_allowed', iif(k = 3, 'test_failure', NULL))),
        iif(k = 1, 'needs host www.sqlite.org, which this server does not allow', ''),
        iif(k < 2, NULL, iif(k = 4, 0, 3)),
        iif(k IN (2, 3, 5), 10 - (k = 3) * 2, NULL), iif(k IN (2, 3, 5), 0, NULL), iif(k IN (2, 3, 5), 10, NULL),
        iif(k = 5, '[{"name":"clap","kind":"module","status":"partial","errors":2,"first_error":"src/codepoint.zig:8:3: error: no"}]', ''),
        iif(k = 0, 'src/a.zig:57:25: error: root source file struct ''Io'' has no member named ''getStdOut''' || char(10)
            || '    const out = std.io.getStdOut().writer();' || char(10) || '                ~~~~~~^~~~~~~~~~' || char(10)
            || '/opt/zig/lib/std/Io.zig:1:1: note: struct declared here' || char(10),
        iif(k = 3, '2 of 10 tests failed' || char(10) || '<script>alert(1)</script>' || char(10), '')),
        c.created_at, c.created_at + 1000, c.created_at + 28000, 734003200
    FROM (SELECT c.*, j.value, (c.id * 3 + j.key * 2) % 6 AS k FROM checks c,
        json_each('["0.17.1","0.16.0","0.15.2","0.14.1"]') j) c, json_each(json_array(c.value)) v ORDER BY c.id, v.value DESC;
UPDATE builds SET targets = '[{"target":"x86_64-windows","status":"failed","first_error":"src/os.zig:12:5: error: unsupported <system>"},'
        || '{"target":"aarch64-macos","status":"success"},{"target":"wasm32-wasi","status":"failed","first_error":'
        || '"/opt/zig/lib/std/a/path/that/is/longer/than/a/phone/is/wide/and/has/no/space/posix.zig:57:9: error: no member named fork"},'
        || '{"target":"aarch64-linux","status":"success"},{"target":"x86_64-freebsd","status":"success"}]'
    WHERE build_status = 'success' AND import_status NOT NULL AND check_id IN (1, 2, 4, 7)
        AND zig_version = (SELECT max(o.zig_version) FROM builds o WHERE o.check_id = builds.check_id AND o.build_status = 'success');
UPDATE builds SET targets = replace(targets, 'failed', 'success') WHERE check_id = 2;
INSERT INTO build_results (package_id, zig_version, build_status, test_status, error_log, last_checked, build_id, newest_build)
    SELECT c.package_id, b.zig_version, b.build_status, b.test_status, b.error_log, b.finished_at, max(b.id), max(b.id)
    FROM builds b JOIN checks c ON c.id = b.check_id GROUP BY c.package_id, b.zig_version;
INSERT INTO package_texts (rowid, text) SELECT id, lower(concat_ws(char(10), name, description, url)) FROM packages;
INSERT INTO unindexed (kind, id) SELECT 1, id FROM build_results WHERE error_log <> '';
UPDATE builds SET ref_count = 1 WHERE id IN (SELECT build_id FROM build_results);
UPDATE totals SET builds = (SELECT count(*) FROM builds);
INSERT INTO history_texts (text) VALUES ('0.17.1'), ('0.16.0'), ('0.15.2'), ('0.14.1'), ('sha256:0123456789abcdef'),
    ('root source file struct ''Io'' has no member named ''getStdOut''');
INSERT INTO history (package_id, "commit", zig_version, toolchain, error_key, build_status, test_status, compiled, checked_at)
    SELECT p.id, unhex(printf('%02d89abcdef0123456789abcdef0123456789ab%02d', p.id, n.value)), t.id,
        5 + 0 * t.id, iif((n.value + t.id) % 3 = 0, 6, NULL),
        iif((n.value + t.id) % 3 = 0, 'failed', 'success'), iif((n.value + t.id) % 3 = 0, NULL, 'success'), 3, NOW - n.value * 86400000
    FROM packages p, json_each('[15,14,13,12,11,10]') n, history_texts t
    WHERE t.id = 1 + (n.value + p.id) % 4 AND p.id < 4;
-- The verdicts of these checks as history, which the server enters into the comparisons.
INSERT OR IGNORE INTO history_texts (text) SELECT DISTINCT toolchain FROM builds WHERE toolchain NOT NULL;
INSERT INTO history (package_id, "commit", commit_time, zig_version, toolchain, error_key, build_status, test_status, import_status,
        reason, compiled, checked_at)
    SELECT c.package_id, unhex(c."commit"), c.commit_time, v.id, t.id, iif(b.build_status = 'failed', 6, NULL), b.build_status,
        b.test_status, b.import_status, b.reason, b.compiled, b.finished_at
    FROM builds b JOIN checks c ON c.id = b.check_id JOIN history_texts v ON v.text = b.zig_version
    JOIN history_texts t ON t.text = b.toolchain WHERE b.build_status IN ('success', 'failed') AND c.id < 6;
UPDATE server SET compared_after = 0, counted_after = 0;
INSERT INTO build_days SELECT NOW / 86400000 - value, 40 - 2 * value, 6 - value, value, 30, 900000 + 7000 * value, 90000
    FROM json_each('[0,1,2,3,4,5]');
INSERT INTO durations (package, zig_version, duration_ms, builds)
    SELECT name, '0.14.1', 90000 - 11000 * id, 3 FROM packages;
INSERT INTO uses (package_id, repository) VALUES (2, 'https://github.com/hejsil/zig-clap'), (3, 'https://github.com/hejsil/zig-clap');
INSERT INTO declared_dependencies (package_id, name, url, lazy, repository) VALUES
    (1, 'known_folders', 'git+https://github.com/ziglibs/known-folders#0123', 0, 'https://github.com/ziglibs/known-folders'),
    (1, 'unknown', 'https://github.com/nobody/unknown/archive/v1.tar.gz', 1, 'https://github.com/nobody/unknown'),
    (5, '"><script>', 'javascript:alert(1)', 0, NULL);
UPDATE builds SET log_bytes = 9;
