-- Who is behind a pseudonym: the only place where a person's name is.
CREATE TABLE people (
    pseudonym TEXT NOT NULL PRIMARY KEY,
    name      TEXT NOT NULL UNIQUE
) STRICT;

-- Who may log in. Passwords are Argon2id hashes in the PHC string format.
CREATE TABLE users (
    id       INTEGER PRIMARY KEY,
    name     TEXT    NOT NULL UNIQUE COLLATE NOCASE,
    password TEXT    NOT NULL,
    created  TEXT    NOT NULL
) STRICT;

-- What they may do, and where: without a team or a stack, everywhere.
CREATE TABLE grants (
    user  INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role  TEXT    NOT NULL CHECK (role IN ('viewer', 'responder', 'operator', 'administrator')),
    team  TEXT,
    stack TEXT
) STRICT;

CREATE INDEX grants_of_user ON grants (user);

-- Who is logged in. A cookie's token is here only as its SHA-256, so that whoever reads this file can't use it.
CREATE TABLE sessions (
    id           INTEGER PRIMARY KEY,
    token_sha256 TEXT    NOT NULL UNIQUE,
    user         INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created      TEXT    NOT NULL,
    seen         TEXT    NOT NULL,
    expires      TEXT    NOT NULL,
    address      TEXT    NOT NULL,
    agent        TEXT    NOT NULL
) STRICT;

CREATE INDEX sessions_of_user ON sessions (user);

-- What forms' tokens are made from where nobody is logged in.
CREATE TABLE server_secret (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    value TEXT    NOT NULL
) STRICT;

-- What machines show instead of logging in. A token is here only as its SHA-256.
CREATE TABLE tokens (
    id           INTEGER PRIMARY KEY,
    name         TEXT    NOT NULL UNIQUE COLLATE NOCASE,
    token_sha256 TEXT    NOT NULL UNIQUE,
    role         TEXT    NOT NULL CHECK (role IN ('viewer', 'responder', 'operator', 'administrator')),
    team         TEXT,
    stack        TEXT,
    created      TEXT    NOT NULL,
    created_by   TEXT    NOT NULL, -- a pseudonym
    expires      TEXT    NOT NULL,
    used         TEXT
) STRICT;
