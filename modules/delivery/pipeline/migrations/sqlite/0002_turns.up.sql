-- The line of owners with something due, one place each for a channel: whoever has waited longest is next.
CREATE TABLE turns (
    channel  TEXT NOT NULL,
    owner_id BLOB NOT NULL,
    due_at   BIGINT NOT NULL,                    -- when to look at this owner's endpoints next
    turn     BIGINT NOT NULL DEFAULT 0,          -- grows with each turn taken, and orders those due in the same moment
    PRIMARY KEY (channel, owner_id)
) WITHOUT ROWID;
CREATE INDEX turns_due ON turns (channel, due_at, turn);
INSERT INTO turns (channel, owner_id, due_at)
    SELECT channel, owner_id, MIN(due_at) FROM endpoints WHERE due_at IS NOT NULL GROUP BY channel, owner_id;

DROP INDEX endpoints_due;
CREATE INDEX endpoints_due ON endpoints (channel, owner_id, due_at) WHERE due_at IS NOT NULL;

-- Quick attempts that an endpoint owes before it leaves the slow lane; 0 = it is quick.
ALTER TABLE endpoints ADD COLUMN slow INTEGER NOT NULL DEFAULT 1;
UPDATE endpoints SET slow = 0 WHERE last_success_at IS NOT NULL AND failing_since IS NULL;

-- Authors take turns with the pages of their posts: of each the oldest job stands in the line.
ALTER TABLE fanouts ADD COLUMN author_id BLOB NOT NULL
    DEFAULT x'00000000000000000000000000000000'; -- nobody: who wrote what is under way is not known here
ALTER TABLE fanouts ADD COLUMN turn BIGINT;      -- its place in the line; NULL = an older one of its author is there
UPDATE fanouts SET turn = 0 WHERE position = (SELECT MIN(position) FROM fanouts);
CREATE INDEX fanouts_turn ON fanouts (turn, position) WHERE turn IS NOT NULL;
CREATE INDEX fanouts_author ON fanouts (author_id, position);
