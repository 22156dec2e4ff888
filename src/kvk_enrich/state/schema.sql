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
    due_ns       INTEGER NOT NULL DEFAULT 0,     -- where the next slot would be if all were spread evenly
    period       TEXT NOT NULL DEFAULT 'month',  -- what its allowance is for: month or day
    UNIQUE (register, name)
) STRICT;

-- The last calls of an account, as many as a window of its pace holds: each place is taken again when it is free.
CREATE TABLE turn (
    account INTEGER NOT NULL REFERENCES account,
    place   INTEGER NOT NULL,
    slot_ns INTEGER NOT NULL DEFAULT 0,   -- the moment that was handed out
    free_ns INTEGER NOT NULL DEFAULT 0,   -- a window after the call was sent, or can have been sent at the latest
    PRIMARY KEY (account, place)
) STRICT, WITHOUT ROWID;

-- What an account has used per month or day (Europe/Amsterdam): permits taken and not given back,
-- in units of the register: calls, or tokens. Never less than the register itself told.
CREATE TABLE ledger (
    account   INTEGER NOT NULL REFERENCES account,
    period    TEXT NOT NULL,              -- '2026-11' or '2026-11-22'
    units     INTEGER NOT NULL,
    told      INTEGER NOT NULL DEFAULT 0, -- units used by the register's own count, where it gives one
    micro_eur INTEGER NOT NULL,           -- what we spent: units that others used of the key have no price here
    PRIMARY KEY (account, period)
) STRICT, WITHOUT ROWID;

-- Of the units of the ledger, those that runs of a named job have taken.
CREATE TABLE share (
    account INTEGER NOT NULL REFERENCES account,
    period  TEXT NOT NULL,
    name    TEXT NOT NULL,
    units   INTEGER NOT NULL,
    PRIMARY KEY (account, period, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE run (
    id          TEXT PRIMARY KEY,
    job         TEXT NOT NULL,            -- what was asked: hash of input and configuration
    account     INTEGER NOT NULL REFERENCES account,  -- who is paid
    price       INTEGER NOT NULL DEFAULT 0,           -- micro-euro per unit of that account
    ceiling     INTEGER,                  -- calls this run may take; NULL: what the account allows
    ceiling_micro_eur INTEGER,            -- money this run may take; NULL: any
    calls       INTEGER NOT NULL DEFAULT 0,
    counted     INTEGER NOT NULL DEFAULT 0,           -- those that count against the ceiling
    micro_eur   INTEGER NOT NULL DEFAULT 0,
    state       TEXT NOT NULL,            -- running, complete, partial, stopped, died
    started_at  TEXT NOT NULL,
    finished_at TEXT,                     -- of one that died: when that was found out
    input       TEXT NOT NULL,
    record      TEXT,                     -- the run record, JSON
    share       TEXT                      -- the name of its job, whose share of the allowance it uses
) STRICT;
CREATE INDEX run_by_job ON run (job, started_at);

-- One line per permit: leave to send one call at one moment. Given back unsent: the line is deleted.
CREATE TABLE call (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    run         TEXT NOT NULL REFERENCES run,
    account     INTEGER NOT NULL REFERENCES account,
    period      TEXT NOT NULL,
    units       INTEGER NOT NULL DEFAULT 1,
    micro_eur   INTEGER NOT NULL,
    slot_ns     INTEGER NOT NULL,
    state       TEXT NOT NULL,            -- open, answered, failed, in_doubt
    vain        TEXT,                     -- the numbers it brought no answer for, JSON
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
    body       BLOB NOT NULL,             -- as received, deflated
    crc        INTEGER                    -- of all the columns above but seq: bits that turn are noticed
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
