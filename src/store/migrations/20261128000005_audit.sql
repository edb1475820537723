-- Who changed what, in a hash chain of its own: as with events, the chain covers headers that hold payloads' digests, so
-- that a payload (from where, and about what) can be erased.
CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY,
    actor   TEXT,             -- the pseudonym that is in the header, too
    header  TEXT    NOT NULL,
    payload TEXT,
    erased  TEXT,
    hash    TEXT    NOT NULL,
    CHECK ((payload IS NULL) = (erased IS NOT NULL))
) STRICT;

CREATE INDEX audit_of_actor ON audit (actor);

-- Where that chain ends: what a cut-off tail is known by.
CREATE TABLE audit_head (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    seq  INTEGER NOT NULL,
    hash TEXT    NOT NULL
) STRICT;
