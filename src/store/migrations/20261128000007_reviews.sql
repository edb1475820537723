-- What people write down after runs. People are pseudonyms here, as in logs.
CREATE TABLE remarks (
    id   INTEGER PRIMARY KEY,
    run  TEXT    NOT NULL REFERENCES runs (id),
    kind TEXT    NOT NULL CHECK (kind IN ('well', 'badly', 'lucky')),
    text TEXT    NOT NULL,
    by   TEXT    NOT NULL,
    at   TEXT    NOT NULL
) STRICT;

CREATE INDEX remarks_of_run ON remarks (run, id);

-- Corrective actions: open until somebody closes them with what came of it.
CREATE TABLE actions (
    id        INTEGER PRIMARY KEY,
    run       TEXT    NOT NULL REFERENCES runs (id),
    text      TEXT    NOT NULL,
    owner     TEXT    NOT NULL,
    due       TEXT    NOT NULL, -- a day, as YYYY-MM-DD
    by        TEXT    NOT NULL,
    at        TEXT    NOT NULL,
    outcome   TEXT,
    closed_by TEXT,
    closed    TEXT,
    CHECK ((closed IS NULL) = (closed_by IS NULL) AND (closed IS NULL) = (outcome IS NULL))
) STRICT;

CREATE INDEX actions_of_run ON actions (run, id);
CREATE INDEX actions_open ON actions (due, id) WHERE closed IS NULL;
CREATE INDEX actions_closed ON actions (closed, id) WHERE closed IS NOT NULL;

-- What participants answered: one answer each, which may be given again.
CREATE TABLE answers (
    run       TEXT NOT NULL REFERENCES runs (id),
    person    TEXT NOT NULL,
    agreement TEXT NOT NULL, -- JSON: one number from 1 to 5 for each sentence
    comment   TEXT NOT NULL,
    PRIMARY KEY (run, person)
) STRICT;

-- The texts of files that runs were made from, by the digests that their plans carry.
CREATE TABLE files (
    sha256 TEXT NOT NULL PRIMARY KEY,
    text   TEXT NOT NULL
) STRICT;
