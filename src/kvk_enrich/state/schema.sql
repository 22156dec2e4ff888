-- The journal: the truth about money and time. One small durable transaction per step.
-- Times are UTC, ISO 8601 with microseconds; money is micro-euro; *_ns are on the boot clock.

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
