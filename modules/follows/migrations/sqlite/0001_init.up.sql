-- Who follows whom. key orders both lists; since is the outbox id of the follower's own announcement.
CREATE TABLE follows (
    follower_id BLOB    NOT NULL CHECK (length(follower_id) = 16),
    followed_id BLOB    NOT NULL CHECK (length(followed_id) = 16),
    key         BIGINT  NOT NULL,
    since       BIGINT  NOT NULL,
    bell        INTEGER NOT NULL CHECK (bell IN (0, 1)),
    reposts     INTEGER NOT NULL CHECK (reposts IN (0, 1)),
    created_at  BIGINT  NOT NULL,
    PRIMARY KEY (follower_id, followed_id),
    CHECK (follower_id <> followed_id)
) WITHOUT ROWID;
CREATE INDEX follows_following ON follows (follower_id, key);
CREATE INDEX follows_followers ON follows (followed_id, key);

-- Order key of the last change of what a person follows: what is kept in memory is compared with it.
CREATE TABLE follow_marks (
    follower_id BLOB   NOT NULL PRIMARY KEY,
    changed     BIGINT NOT NULL
) WITHOUT ROWID;

-- People whose account has ended, until the last of their follows has.
CREATE TABLE follow_leavers (
    user_id BLOB   NOT NULL PRIMARY KEY,
    at      BIGINT NOT NULL
) WITHOUT ROWID;
