-- Whether a run's responders are not told that it runs: a surprise drill, until it is over or staff reveal it.
ALTER TABLE runs ADD COLUMN secret INTEGER NOT NULL DEFAULT 0;

-- What this server draws surprise drills' seeds from.
CREATE TABLE seed_secret (
    id  INTEGER PRIMARY KEY CHECK (id = 1),
    key BLOB NOT NULL
) STRICT;
INSERT INTO seed_secret (id, key) VALUES (1, randomblob(32));

-- Whether a scripted team responded in place of people: such runs count in no trend.
ALTER TABLE runs ADD COLUMN rehearsal INTEGER NOT NULL DEFAULT 0;
