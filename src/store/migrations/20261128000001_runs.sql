-- Marks the file as firedrill's, so that another program's database is refused rather than changed ("fire").
PRAGMA application_id = 1718186597;

-- A projection of the log, kept in the transaction that appends to it; its head is what the next append must follow,
-- and what a cut-off tail is known by. Instants are RFC 3339 in UTC with nine decimals, so that text order is time order.
CREATE TABLE runs (
    id          TEXT    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,
    kind        TEXT    NOT NULL CHECK (kind IN ('experiment', 'drill')),
    stack       TEXT    NOT NULL,
    started_by  TEXT    NOT NULL,
    team        TEXT,    -- which one it drills: what roles are bounded by, beside its stack
    secret      INTEGER NOT NULL DEFAULT 0, -- its responders are not told that it runs, until it is over or staff reveal it
    rehearsal   INTEGER NOT NULL DEFAULT 0, -- a scripted team responds in place of people: it counts in no trend
    seed        TEXT    NOT NULL, -- decimal: SQLite's integers are signed
    created     TEXT    NOT NULL,
    ended       TEXT,
    verdict     TEXT,
    phase       TEXT,
    head_seq    INTEGER NOT NULL,
    head_hash   TEXT    NOT NULL,
    -- The latest scorecard, the whole of it last, where a row that is only listed does not read it.
    rubric      TEXT,
    rating      TEXT,
    outcome     REAL,
    observed    REAL,
    pass        INTEGER,
    scorecard   TEXT
) STRICT;

CREATE INDEX runs_by_age ON runs (created, id);
CREATE INDEX runs_of_drill ON runs (name, created, id) WHERE kind = 'drill';
CREATE INDEX runs_unfinished ON runs (created, id) WHERE ended IS NULL;

CREATE TABLE events (
    run     TEXT    NOT NULL REFERENCES runs (id),
    seq     INTEGER NOT NULL,
    header  TEXT    NOT NULL, -- canonical JSON; its SHA-256 is `hash`, which the next header carries as `prev`
    payload TEXT,             -- canonical JSON, whose SHA-256 the header carries; NULL once erased
    erased  TEXT,             -- why
    hash    TEXT    NOT NULL,
    PRIMARY KEY (run, seq),
    CHECK ((payload IS NULL) = (erased IS NOT NULL))
) STRICT;

-- Whether something of a run's log was erased is asked with every reading of it.
CREATE INDEX events_erased ON events (run) WHERE payload IS NULL AND erased IS NOT NULL;

-- Injections whose undo has failed for too long, until it works.
CREATE TABLE stuck (
    run       TEXT NOT NULL REFERENCES runs (id),
    injection TEXT NOT NULL,
    error     TEXT NOT NULL,
    since     TEXT NOT NULL,
    PRIMARY KEY (run, injection)
) STRICT;
