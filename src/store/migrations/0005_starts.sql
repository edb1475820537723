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
