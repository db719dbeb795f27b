-- The table of epochs: which run of the server gave which positions (I27). A run that gives none leaves no row. The first
-- row is of the store itself: it has position 0, and what was given before there was a table.
CREATE TABLE epochs (
    n     BIGINT PRIMARY KEY,
    epoch BIGINT NOT NULL UNIQUE CHECK (epoch BETWEEN 1 AND 4294967295),
    after BIGINT NOT NULL CHECK (after >= 0)
);
INSERT INTO epochs (n, epoch, after) SELECT 1, floor(random() * 4294967294)::BIGINT + 1, log_state.floor FROM log_state;
ALTER TABLE log_state DROP COLUMN epoch;
