-- What a person was told. key is the order key of every list.
--   state      0 in the inbox, 1 archived, 2 withdrawn, 3 deleted by the receiver; 2 and 3 are kept so that an act
--              that is done again finds its row
--   word       the part of the type behind "custom."
--   subject    what a group is about; NULL = never grouped
--   head       1 on the newest member of each group that is shown (state 0 or 1); members, actors (the newest
--              three, 16 bytes each) and began_at of the group stand there
--   seen_at, read_at, left_unread   the exceptions to notification_watermarks
CREATE TABLE notifications (
    key          BIGINT  PRIMARY KEY,
    id           bytea   NOT NULL UNIQUE CHECK (length(id) = 16),
    receiver_id  bytea   NOT NULL CHECK (length(receiver_id) = 16),
    type         TEXT    NOT NULL,
    word         TEXT    NOT NULL DEFAULT '',
    actor_id     bytea,
    object_id    bytea,
    subject      bytea,
    group_id     bytea   NOT NULL CHECK (length(group_id) = 16),
    head         smallint NOT NULL CHECK (head IN (0, 1)),
    members      INTEGER NOT NULL CHECK (members >= 1),
    actors       bytea,
    began_at     BIGINT  NOT NULL,
    state        smallint NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 3),
    withdrawn_at BIGINT,
    seen_at      BIGINT,
    read_at      BIGINT,
    left_unread  smallint NOT NULL DEFAULT 0 CHECK (left_unread IN (0, 1)),
    archived_at  BIGINT,
    content      TEXT,
    url          TEXT,
    data         TEXT,
    created_at   BIGINT  NOT NULL,
    updated_at   BIGINT  NOT NULL,
    CHECK (head = 0 OR state < 2),
    CHECK ((state = 2) = (withdrawn_at IS NOT NULL)),
    CHECK (left_unread = 0 OR read_at IS NULL)
);
-- One row per act; also: everything about a post, and whether a person has a row about it.
CREATE UNIQUE INDEX notifications_act ON notifications (object_id, receiver_id, type, actor_id) WHERE object_id IS NOT NULL;
CREATE INDEX notifications_actor ON notifications (actor_id) WHERE actor_id IS NOT NULL;
-- The lists: one row for each group, and the others; each row of the inbox stands in one of the two.
CREATE INDEX notifications_heads ON notifications (receiver_id, type, key) WHERE state = 0 AND head = 1;
CREATE INDEX notifications_others ON notifications (receiver_id, type, key) WHERE state = 0 AND head = 0;
CREATE INDEX notifications_archived ON notifications (receiver_id, type, key) WHERE state = 1;
-- What is kept but shown no more, for emptying an account.
CREATE INDEX notifications_hidden ON notifications (receiver_id) WHERE state >= 2;
-- The counts: rows not read one by one, and rows left unread below the watermark.
CREATE INDEX notifications_open ON notifications (receiver_id, type, key) WHERE state = 0 AND head = 1 AND read_at IS NULL;
CREATE INDEX notifications_left ON notifications (receiver_id, key) WHERE left_unread = 1;
-- The groups: members in order but for the one that began it, whose id is the group's, and the newest group about
-- something. Most groups have one member, and so nothing in the first.
CREATE INDEX notifications_members ON notifications (group_id, key) WHERE state < 2 AND group_id <> id;
CREATE INDEX notifications_groups ON notifications (receiver_id, type, subject, key) WHERE head = 1 AND subject IS NOT NULL;

-- Everything up to these keys is seen, read; 0 = nothing. Row columns hold the exceptions.
CREATE TABLE notification_watermarks (
    person_id bytea  NOT NULL PRIMARY KEY CHECK (length(person_id) = 16),
    seen_key  BIGINT NOT NULL DEFAULT 0,
    seen_at   BIGINT,
    read_key  BIGINT NOT NULL DEFAULT 0,
    read_at   BIGINT
);

-- What a person did to a single derived item ("someone you follow posted"). key is the post's order key.
CREATE TABLE notification_posts (
    receiver_id bytea   NOT NULL,
    key         BIGINT  NOT NULL,
    post_id     bytea   NOT NULL CHECK (length(post_id) = 16),
    seen_at     BIGINT,
    read_at     BIGINT,
    left_unread smallint NOT NULL DEFAULT 0 CHECK (left_unread IN (0, 1)),
    archived_at BIGINT,
    deleted     smallint NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1)),
    PRIMARY KEY (receiver_id, key),
    CHECK (left_unread = 0 OR read_at IS NULL)
);
CREATE INDEX notification_posts_post ON notification_posts (post_id);
CREATE INDEX notification_posts_left ON notification_posts (receiver_id, key) WHERE left_unread = 1;
CREATE INDEX notification_posts_archived ON notification_posts (receiver_id, key) WHERE archived_at IS NOT NULL;

-- Posts and people that are gone while rows about them are left: lists and counts skip those rows at once, a job
-- empties them in pages and then removes the tombstone. person 1 = a user.
CREATE TABLE notification_tombstones (
    id     bytea   NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    person smallint NOT NULL CHECK (person IN (0, 1)),
    at     BIGINT  NOT NULL
);
