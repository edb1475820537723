-- Which drill of which game day a run is: the trigger of its first event, as JSON, and the game day's id out of it.
ALTER TABLE runs ADD COLUMN game_day_id TEXT;
ALTER TABLE runs ADD COLUMN game_day TEXT;

CREATE INDEX runs_of_game_day ON runs (game_day_id, created, id) WHERE game_day_id IS NOT NULL;
