-- Who follows whom. key orders both lists; since is the outbox id of the follower's own announcement.
CREATE TABLE follows (
    follower_id bytea    NOT NULL CHECK (length(follower_id) = 16),
    followed_id bytea    NOT NULL CHECK (length(followed_id) = 16),
    key         bigint   NOT NULL,
    since       bigint   NOT NULL,
    bell        smallint NOT NULL CHECK (bell IN (0, 1)),
    reposts     smallint NOT NULL CHECK (reposts IN (0, 1)),
    created_at  bigint   NOT NULL,
    PRIMARY KEY (follower_id, followed_id),
    CHECK (follower_id <> followed_id)
);
CREATE INDEX follows_following ON follows (follower_id, key);
CREATE INDEX follows_followers ON follows (followed_id, key);

-- Order key of the last change of what a person follows: what is kept in memory is compared with it.
CREATE TABLE follow_marks (
    follower_id bytea  NOT NULL PRIMARY KEY,
    changed     bigint NOT NULL
);

-- People whose account has ended, until the last of their follows has.
CREATE TABLE follow_leavers (
    user_id bytea  NOT NULL PRIMARY KEY,
    at      bigint NOT NULL
);
