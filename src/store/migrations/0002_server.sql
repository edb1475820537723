-- Who is behind a pseudonym: the only place where a person's name is.
CREATE TABLE people (
    pseudonym TEXT NOT NULL PRIMARY KEY,
    name      TEXT NOT NULL UNIQUE
) STRICT;

-- What came in through hooks, as it came. `run` refers to nothing: a signal is kept whatever it names.
CREATE TABLE signals (
    id         INTEGER PRIMARY KEY,
    source     TEXT    NOT NULL,
    dedupe_key TEXT,
    received   TEXT    NOT NULL,
    body       BLOB    NOT NULL,
    run        TEXT,
    repeats    INTEGER NOT NULL DEFAULT 0,
    UNIQUE (source, dedupe_key)
) STRICT;

CREATE INDEX signals_unmatched ON signals (id) WHERE run IS NULL;

-- The server-wide halt: one row while it is on.
CREATE TABLE halt (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    by     TEXT NOT NULL,
    reason TEXT NOT NULL,
    at     TEXT NOT NULL
) STRICT;

-- What came of each time a drill was due, so that one is started once.
CREATE TABLE scheduled (
    drill   TEXT NOT NULL,
    due     TEXT NOT NULL,
    outcome TEXT NOT NULL,
    PRIMARY KEY (drill, due)
) STRICT;
