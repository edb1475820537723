-- Whether something of a run's log was erased is asked with every reading of it.
CREATE INDEX events_erased ON events (run) WHERE payload IS NULL AND erased IS NOT NULL;

-- Who is behind a signal, as a pseudonym, so that whoever is forgotten is forgotten in what came from outside, too. Of
-- what was kept before this only the text is known.
ALTER TABLE signals ADD COLUMN person TEXT;
ALTER TABLE signals ADD COLUMN erased TEXT; -- why its body is not there any more

CREATE INDEX signals_of_person ON signals (person) WHERE person IS NOT NULL;
