-- Where the end of an account stands in the log: the position of its user.deleted.
ALTER TABLE follow_leavers ADD COLUMN position BIGINT NOT NULL DEFAULT 0;

-- Follows of accounts that have ended: who followed is shown user.deleted, until it is trimmed at its position.
CREATE TABLE ended_follows (
    follower_id BLOB   NOT NULL CHECK (length(follower_id) = 16),
    followed_id BLOB   NOT NULL CHECK (length(followed_id) = 16),
    position    BIGINT NOT NULL,
    PRIMARY KEY (follower_id, followed_id)
) WITHOUT ROWID;
CREATE INDEX ended_follows_position ON ended_follows (position);
