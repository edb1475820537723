-- What came in through hooks, as it came. `run` refers to nothing: a signal is kept whatever it names.
CREATE TABLE signals (
    id         INTEGER PRIMARY KEY,
    source     TEXT    NOT NULL,
    dedupe_key TEXT,
    received   TEXT    NOT NULL,
    body       BLOB    NOT NULL,
    run        TEXT,
    repeats    INTEGER NOT NULL DEFAULT 0,
    last       TEXT,            -- when it last came again
    reading    TEXT,            -- what it says in firedrill's terms, so that it can be read without its headers
    thread     TEXT,            -- what others are about as well
    stamp      TEXT,            -- when it came, on the clock of the process that took it
    attached   TEXT,            -- the run that it was attached to later
    person     TEXT,            -- who is behind it, as a pseudonym
    erased     TEXT,            -- why its body is not there any more
    UNIQUE (source, dedupe_key)
) STRICT;

CREATE INDEX signals_unmatched ON signals (id) WHERE run IS NULL;
CREATE INDEX signals_by_thread ON signals (source, thread, id) WHERE run IS NOT NULL;
CREATE INDEX signals_of_person ON signals (person) WHERE person IS NOT NULL;
