-- A journal as version 1 left it: two runs that died or ended, calls of every state, answers, a claim.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One key of one register: its own pace, month and ledger. The key itself is never stored.
CREATE TABLE account (
    id           INTEGER PRIMARY KEY,
    register     TEXT NOT NULL,           -- 'kvk', or 'kvk@http://127.0.0.1:8000/api'
    name         TEXT NOT NULL,
    fingerprint  TEXT NOT NULL,           -- keyed hash: tells keys apart, gives none away
    boot_id      TEXT NOT NULL DEFAULT '',
    next_slot_ns INTEGER NOT NULL DEFAULT 0,
    UNIQUE (register, name)
) STRICT;

-- What an account has used per calendar month (Europe/Amsterdam): permits taken and not given back.
CREATE TABLE ledger (
    account   INTEGER NOT NULL REFERENCES account,
    month     TEXT NOT NULL,
    calls     INTEGER NOT NULL,
    micro_eur INTEGER NOT NULL,
    PRIMARY KEY (account, month)
) STRICT, WITHOUT ROWID;

CREATE TABLE run (
    id          TEXT PRIMARY KEY,
    job         TEXT NOT NULL,            -- what was asked: hash of input and configuration
    account     INTEGER NOT NULL REFERENCES account,
    ceiling     INTEGER,                  -- calls this run may take; NULL: the month's
    calls       INTEGER NOT NULL DEFAULT 0,
    state       TEXT NOT NULL,            -- running, complete, partial, stopped, died
    started_at  TEXT NOT NULL,
    finished_at TEXT,
    input       TEXT NOT NULL,
    record      TEXT                      -- the run record, JSON
) STRICT;
CREATE INDEX run_by_job ON run (job, started_at);

-- One line per permit: leave to send one call at one moment. Given back unsent: the line is deleted.
CREATE TABLE call (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    run         TEXT NOT NULL REFERENCES run,
    account     INTEGER NOT NULL REFERENCES account,
    month       TEXT NOT NULL,
    micro_eur   INTEGER NOT NULL,
    slot_ns     INTEGER NOT NULL,
    state       TEXT NOT NULL,            -- open, answered, failed, in_doubt
    number      TEXT,
    sent_at     TEXT,
    seconds     REAL,
    http_status INTEGER,
    code        TEXT
) STRICT;
CREATE INDEX call_by_run ON call (run, state);

-- Every answer, also after the cache has it: a second copy for as long as it is worth money.
CREATE TABLE answer (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    run        TEXT NOT NULL REFERENCES run,
    register   TEXT NOT NULL,
    product    TEXT NOT NULL,
    kind       TEXT NOT NULL,
    number     TEXT NOT NULL,
    status     TEXT NOT NULL,             -- found, not_found
    reason     TEXT,
    fetched_at TEXT NOT NULL,
    body       BLOB NOT NULL              -- as received, deflated
) STRICT;
CREATE INDEX answer_by_number ON answer (number, seq);

-- Numbers that a run is about to ask, so that no other run asks them too.
CREATE TABLE claim (
    register TEXT NOT NULL,
    product  TEXT NOT NULL,
    number   TEXT NOT NULL,
    run      TEXT NOT NULL REFERENCES run,
    PRIMARY KEY (register, product, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX claim_by_run ON claim (run);

INSERT INTO meta VALUES ('id', '0123456789abcdef0123456789abcdef');
INSERT INTO account VALUES (1, 'kvk', 'main', '', 'boot-1', 5061200000);
INSERT INTO ledger VALUES (1, '2026-10', 7, 140000), (1, '2026-11', 5, 100000);
INSERT INTO run VALUES
    ('20261121T110000-aaaaaa', 'job', 1, 9, 4, 'running', '2026-11-21T11:00:00.000000Z', NULL, 'list.csv', NULL),
    ('20261121T100000-bbbbbb', 'job', 1, NULL, 1, 'complete', '2026-11-21T10:00:00.000000Z',
     '2026-11-21T10:01:00.000000Z', 'list.csv', '{"state": "complete"}');
INSERT INTO call VALUES
    (1, '20261121T100000-bbbbbb', 1, '2026-11', 20000, 5000000000, 'answered', '10000001',
     '2026-11-21T10:00:01.000000Z', 0.5, 200, NULL),
    (2, '20261121T110000-aaaaaa', 1, '2026-11', 20000, 5010200000, 'failed', '10000002',
     '2026-11-21T11:00:01.000000Z', 0.5, 500, 'server_error'),
    (3, '20261121T110000-aaaaaa', 1, '2026-11', 20000, 5020400000, 'failed', '10000002',
     '2026-11-21T11:00:02.000000Z', 0.5, 500, 'server_error'),
    (4, '20261121T110000-aaaaaa', 1, '2026-11', 20000, 5030600000, 'in_doubt', NULL, NULL, NULL, NULL, NULL),
    (5, '20261121T110000-aaaaaa', 1, '2026-11', 20000, 5040800000, 'open', NULL, NULL, NULL, NULL, NULL);
INSERT INTO answer VALUES
    (1, '20261121T100000-bbbbbb', 'kvk', 'basisprofiel', 'kvk', '10000001', 'found', NULL,
     '2026-11-21T10:00:01.500000Z', x'7801ab56ca2ecbf62bcdcd4d2d52b2523234000343a55a00629806fd');
INSERT INTO claim VALUES ('kvk', 'basisprofiel', '10000002', '20261121T110000-aaaaaa');
PRAGMA user_version = 1;
