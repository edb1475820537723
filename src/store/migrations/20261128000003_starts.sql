-- What came of each time a drill was due, so that one is started once.
CREATE TABLE scheduled (
    drill   TEXT NOT NULL,
    due     TEXT NOT NULL,
    outcome TEXT NOT NULL,
    PRIMARY KEY (drill, due)
) STRICT;

-- The calendar asks what came of every start of a month.
CREATE INDEX scheduled_by_due ON scheduled (due, drill);

-- Starts that were asked for under a key: the run's id is drawn and kept before the run is started, so that whoever
-- asks again, after a dropped connection or a restart, is told of the same run. `run` refers to nothing: it may never
-- have begun. `caller` keeps the keys of different callers apart.
CREATE TABLE keyed_starts (
    caller TEXT NOT NULL,
    key    TEXT NOT NULL,
    wanted TEXT NOT NULL, -- SHA-256 of what was asked for, in hex
    run    TEXT NOT NULL,
    asked  TEXT NOT NULL,
    PRIMARY KEY (caller, key)
) STRICT;

CREATE INDEX keyed_starts_by_age ON keyed_starts (asked);

-- What this server draws surprise drills' seeds from.
CREATE TABLE seed_secret (
    id  INTEGER PRIMARY KEY CHECK (id = 1),
    key BLOB NOT NULL
) STRICT;
INSERT INTO seed_secret (id, key) VALUES (1, randomblob(32));

-- The server-wide halt: one row while it is on.
CREATE TABLE halt (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    by     TEXT NOT NULL,
    reason TEXT NOT NULL,
    at     TEXT NOT NULL
) STRICT;
