-- What a signal says in firedrill's terms, so that it can be read without its headers; what others are about as well;
-- when it came on the clock of the process that took it; when it last came again; and the run it was attached to later.
ALTER TABLE signals ADD COLUMN reading  TEXT;
ALTER TABLE signals ADD COLUMN thread   TEXT;
ALTER TABLE signals ADD COLUMN stamp    TEXT;
ALTER TABLE signals ADD COLUMN last     TEXT;
ALTER TABLE signals ADD COLUMN attached TEXT;

CREATE INDEX signals_by_thread ON signals (source, thread, id) WHERE run IS NOT NULL;
