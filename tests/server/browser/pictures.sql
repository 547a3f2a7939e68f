-- The packages of the pictures in README: names of known ones, verdicts made up. NOW is now, in milliseconds. Each verdict
-- is a letter, the newest Zig first: success, failed, tests failed, partial import, not exercised, library missing.
INSERT OR IGNORE INTO toolchains (zig_version, image, seen_at)
    SELECT value, 'sha256:' || value, NOW FROM json_each('["0.17.1","0.16.0","0.15.2","0.14.1"]');
CREATE TEMP TABLE known (id INTEGER PRIMARY KEY, name TEXT, url TEXT, description TEXT, license TEXT, verdicts TEXT);
INSERT INTO known (name, url, description, license, verdicts) VALUES
    ('httpz', 'https://github.com/karlseguin/http.zig', 'An HTTP/1.1 server for Zig', 'MIT', 'fssf'),
    ('zig-clap', 'https://github.com/Hejsil/zig-clap', 'Command line argument parsing library', 'MIT', 'sssf'),
    ('vaxis', 'https://github.com/rockorager/libvaxis', 'A modern TUI library written in Zig', 'MIT', 'fssf'),
    ('raylib-zig', 'https://github.com/Not-Nik/raylib-zig', 'Manually tweaked, auto-generated raylib bindings', 'MIT', 'llll'),
    ('zeit', 'https://github.com/rockorager/zeit', 'A date and time library written in Zig', 'MIT', 'fsss'),
    ('zigimg', 'https://github.com/zigimg/zigimg', 'Reading and writing of image formats', 'MIT', 'tssf'),
    ('known-folders', 'https://github.com/ziglibs/known-folders', 'Access to well-known folders', 'MIT', 'ssss'),
    ('zig-sqlite', 'https://github.com/vrischmann/zig-sqlite', 'A thin wrapper around SQLite', 'MIT', 'fssf'),
    ('mecha', 'https://github.com/Hejsil/mecha', 'A parser combinator library', 'MIT', 'sssf'),
    ('zul', 'https://github.com/karlseguin/zul', 'Zig utility library', 'MIT', 'fpsf'),
    ('zig-toml', 'https://github.com/sam701/zig-toml', 'A TOML parser', 'MIT', 'ssfn');
INSERT INTO packages (id, name, url, description, author, license, created_at, last_updated, popularity_score, repository,
        fetched, minimum_zig_version)
    SELECT id, name, url, description, substr(url, 20, instr(substr(url, 20), '/') - 1), license, NOW - 9e8, NOW - id * 26e5,
        (20 - id) * 1000003, lower(url), 1, iif(name = 'zeit', '0.14.0', NULL) FROM known;
INSERT INTO package_texts (rowid, text) SELECT id, lower(concat_ws(char(10), name, description, url)) FROM known;
INSERT INTO checks (id, package_id, package, url, "commit", commit_time, created_at)
    SELECT 40 - id, id, name, url, printf('%08x%08x%024x', id * 271828183, id * 341592653, id * 2718281828459), NOW / 1000 - 86400, NOW - id * 27e5 FROM known;
INSERT INTO builds (check_id, zig_version, toolchain, state, build_status, test_status, import_status, reason, detail, compiled,
        tests_passed, tests_skipped, tests_total, modules, error_log, created_at, started_at, finished_at, peak_memory_bytes, log_bytes)
    SELECT c.id, v.value, 'sha256:' || v.value, 'finished',
        CASE letter WHEN 'f' THEN 'failed' WHEN 'l' THEN 'error' ELSE 'success' END,
        CASE letter WHEN 't' THEN 'failed' WHEN 'n' THEN 'no_tests' WHEN 'f' THEN NULL WHEN 'l' THEN NULL ELSE 'success' END,
        CASE letter WHEN 'p' THEN 'partial' WHEN 'f' THEN NULL WHEN 'l' THEN NULL ELSE 'success' END,
        CASE letter WHEN 'f' THEN 'compile_error' WHEN 't' THEN 'test_failure' WHEN 'l' THEN 'missing_system_library' END,
        iif(letter = 'l', 'needs the system library GL, which the image does not have', ''),
        CASE letter WHEN 'f' THEN NULL WHEN 'l' THEN NULL WHEN 'n' THEN 0 ELSE 7 END,
        iif(letter IN ('s', 'p', 't'), 40 + k.id - (letter = 't'), NULL), iif(letter IN ('s', 'p', 't'), 0, NULL),
        iif(letter IN ('s', 'p', 't'), 40 + k.id, NULL),
        iif(letter IN ('s', 'p'), json_array(json_object('name', k.name, 'kind', 'module',
            'status', iif(letter = 's', 'success', 'partial'), 'errors', 0)), ''),
        iif(letter = 'f', iif(v.key < 3,
            'src/timezone.zig:41:29: error: root source file struct ''fs'' has no member named ''cwd''' || char(10)
                || '    const file = try std.fs.cwd().openFile(path, .{});' || char(10)
                || '                     ~~~~~~^~~~' || char(10)
                || '/opt/zig/lib/std/fs.zig:1:1: note: struct declared here' || char(10),
            'src/' || replace(k.name, '-', '_') || '.zig:9:24: error: root source file struct ''std'' has no member named ''Io''' || char(10)
                || 'const Writer = std.Io.Writer;' || char(10) || '               ~~~^~~' || char(10)), ''),
        c.created_at, c.created_at + 900, c.created_at + 6000 + (k.id * 7 + v.key * 5) % 9 * 2300, 612e6 + k.id * 11e6, 0
    FROM (SELECT v.key AS nth, v.value AS of, k.id AS package, substr(k.verdicts, v.key + 1, 1) AS letter
            FROM known k, json_each('["0.17.1","0.16.0","0.15.2","0.14.1"]') v) one
        JOIN known k ON k.id = one.package JOIN checks c ON c.package_id = k.id
        JOIN json_each('["0.17.1","0.16.0","0.15.2","0.14.1"]') v ON v.value = one.of
    ORDER BY c.id, v.key;
INSERT INTO build_results (package_id, zig_version, build_status, test_status, error_log, last_checked, build_id, newest_build)
    SELECT c.package_id, b.zig_version, b.build_status, b.test_status, b.error_log, b.finished_at, b.id, b.id
    FROM builds b JOIN checks c ON c.id = b.check_id;
INSERT INTO unindexed (kind, id) SELECT 1, id FROM build_results WHERE error_log <> '';
UPDATE builds SET ref_count = 1;
UPDATE totals SET builds = (SELECT count(*) FROM builds);
INSERT INTO history_texts (text) VALUES ('0.17.1'), ('0.16.0'), ('0.15.2'), ('0.14.1'), ('sha256:0.17.1'), ('sha256:0.16.0'),
    ('sha256:0.15.2'), ('sha256:0.14.1'), ('root source file struct ''fs'' has no member named ''cwd''');
-- Sixteen commits of each; with the newest Zig a package stopped to build at one of them.
INSERT INTO history (package_id, "commit", zig_version, toolchain, error_key, build_status, test_status, compiled, checked_at)
    SELECT k.id, unhex(printf('%08x%08x%024x', k.id * 271828183 + age * 1618033, k.id * 341592653, k.id * 2718281828459)), t.id, t.id + 4, iif(is_bad, 9, NULL),
        iif(is_bad, 'failed', 'success'), iif(is_bad, NULL, iif((k.id + age) % 9 = 4, 'failed', 'success')), 7,
        NOW - k.id * 27e5 - age * 259200000
    FROM (SELECT k.id, n.value AS age, t.id AS text, substr(k.verdicts, t.id, 1) = 'f' AND (t.id > 1 OR n.value < 6) AS is_bad
            FROM known k, json_each('[15,14,13,12,11,10,9,8,7,6,5,4,3,2,1,0]') n, history_texts t WHERE t.id < 5) one
        JOIN known k ON k.id = one.id JOIN history_texts t ON t.id = one.text ORDER BY age DESC, k.id, t.id;
INSERT INTO uses (package_id, repository) SELECT id, 'https://github.com/rockorager/zeit' FROM known WHERE name IN ('vaxis', 'zul');
INSERT INTO declared_dependencies (package_id, name, url, lazy, repository) VALUES
    (5, 'known_folders', 'git+https://github.com/ziglibs/known-folders#aa24df4', 0, 'https://github.com/ziglibs/known-folders');
