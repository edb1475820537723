-- What pages over many runs ask for, a projection of logs as `runs` is, but made by the score once a run is over: made anew
-- from the log whenever `version` is not the program's own.

-- What is compared with itself only. Its attributes are those of its latest run.
CREATE TABLE series (
    id        INTEGER PRIMARY KEY,
    drill     INTEGER NOT NULL,
    name      TEXT    NOT NULL,
    stack     TEXT    NOT NULL,
    team      TEXT    NOT NULL, -- empty where nobody is drilled
    surprise  INTEGER NOT NULL,
    rehearsal INTEGER NOT NULL,
    severity  TEXT,
    class     TEXT,
    failures  TEXT    NOT NULL, -- a JSON list of kinds of failure
    latest    TEXT    NOT NULL, -- when its latest run was created
    UNIQUE (drill, name, stack, team, surprise, rehearsal)
) STRICT;

CREATE TABLE summaries (
    run             TEXT    NOT NULL PRIMARY KEY REFERENCES runs (id),
    version         INTEGER NOT NULL,
    series          INTEGER NOT NULL REFERENCES series (id),
    created         TEXT    NOT NULL,
    counts          INTEGER NOT NULL, -- 1 for a drill that is no rehearsal
    passed          INTEGER,
    rating          TEXT,
    outcome         REAL,
    observed        REAL,
    -- Times in milliseconds; `…_ended` is 0 where one was cut short, so that it is only known to be longer.
    detect_ms       INTEGER, detect_ended      INTEGER,
    acknowledge_ms  INTEGER, acknowledge_ended INTEGER,
    mitigate_ms     INTEGER, mitigate_ended    INTEGER,
    recover_ms      INTEGER, recover_ended     INTEGER,
    ended_by        TEXT,
    watched_ms      INTEGER NOT NULL,
    hurt_ms         INTEGER NOT NULL,
    points          TEXT    NOT NULL -- JSON: what held and what did not
) STRICT;

CREATE INDEX summaries_of_series ON summaries (series, created, run);
CREATE INDEX summaries_counted ON summaries (counts, created, detect_ended, recover_ended, passed, watched_ms, hurt_ms);

-- Which faults took effect where, in runs that passed or failed.
CREATE TABLE hits (
    stack   TEXT    NOT NULL,
    target  TEXT    NOT NULL,
    failure TEXT    NOT NULL,
    drill   INTEGER NOT NULL,
    created TEXT    NOT NULL,
    run     TEXT    NOT NULL REFERENCES runs (id),
    PRIMARY KEY (stack, target, failure, drill, created, run)
) STRICT, WITHOUT ROWID;

CREATE INDEX hits_of_run ON hits (run);
