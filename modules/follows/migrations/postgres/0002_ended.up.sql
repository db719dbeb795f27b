-- Where the end of an account stands in the log: the position of its user.deleted.
ALTER TABLE follow_leavers ADD COLUMN position bigint NOT NULL DEFAULT 0;

-- Follows of accounts that have ended: who followed is shown user.deleted, until it is trimmed at its position.
CREATE TABLE ended_follows (
    follower_id bytea  NOT NULL CHECK (length(follower_id) = 16),
    followed_id bytea  NOT NULL CHECK (length(followed_id) = 16),
    position    bigint NOT NULL,
    PRIMARY KEY (follower_id, followed_id)
);
CREATE INDEX ended_follows_position ON ended_follows (position);
