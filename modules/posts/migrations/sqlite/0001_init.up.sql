-- Posts and comments. key is the order key and orders every list. root_* name the top post (at top level the post
-- itself), whose audience is the audience of everything below it. changed is the order key of the moment in which
-- the post came into the lists, left them, or got another content; counts do not touch it.
CREATE TABLE posts (
    key             INTEGER PRIMARY KEY,
    id              BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    author_id       BLOB    NOT NULL CHECK (length(author_id) = 16),
    root_key        BIGINT  NOT NULL REFERENCES posts (key),
    root_id         BLOB    NOT NULL,
    root_author_id  BLOB    NOT NULL,
    reply_to        BLOB,
    reply_author_id BLOB,
    visibility      INTEGER NOT NULL CHECK (visibility BETWEEN 0 AND 2),
    text            TEXT    NOT NULL,
    sensitive       INTEGER NOT NULL CHECK (sensitive IN (0, 1)),
    warning         TEXT,
    language        TEXT,
    mentions        TEXT,
    tags            TEXT,
    like_count      BIGINT  NOT NULL DEFAULT 0 CHECK (like_count >= 0),
    comment_count   BIGINT  NOT NULL DEFAULT 0 CHECK (comment_count >= 0),
    deleted_at      BIGINT  NOT NULL DEFAULT 0,
    changed         BIGINT  NOT NULL,
    created_at      BIGINT  NOT NULL,
    CHECK ((reply_to IS NULL) = (root_key = key))
);
-- What a person wrote: each post stands in one of the two.
CREATE INDEX posts_author_top ON posts (author_id, key, visibility) WHERE deleted_at = 0 AND reply_to IS NULL;
CREATE INDEX posts_author_comments ON posts (author_id, key) WHERE deleted_at = 0 AND reply_to IS NOT NULL;
CREATE INDEX posts_comments ON posts (root_key, key) WHERE reply_to IS NOT NULL AND (deleted_at = 0 OR comment_count > 0);
CREATE INDEX posts_changed ON posts (changed) WHERE reply_to IS NULL;

-- Comments above a comment, without the top post; the nearest and at most 63 from the top.
CREATE TABLE post_ancestors (
    ancestor_key BIGINT NOT NULL REFERENCES posts (key),
    post_key     BIGINT NOT NULL REFERENCES posts (key),
    PRIMARY KEY (ancestor_key, post_key)
) WITHOUT ROWID;
CREATE INDEX post_ancestors_post ON post_ancestors (post_key, ancestor_key);

-- People named in a post. addressed = a top-level post for named people only: then its author stands here too, and
-- the row is the post's place in that person's home timeline.
CREATE TABLE post_mentions (
    post_key  BIGINT  NOT NULL REFERENCES posts (key),
    user_id   BLOB    NOT NULL CHECK (length(user_id) = 16),
    addressed INTEGER NOT NULL CHECK (addressed IN (0, 1)),
    PRIMARY KEY (post_key, user_id)
) WITHOUT ROWID;
CREATE INDEX post_mentions_user ON post_mentions (user_id, post_key);
CREATE INDEX post_mentions_addressed ON post_mentions (user_id, post_key) WHERE addressed = 1;

-- Likes in the order of a post's list; who likes what is found by the person.
CREATE TABLE post_likes (
    post_key   BIGINT NOT NULL REFERENCES posts (key),
    user_id    BLOB   NOT NULL CHECK (length(user_id) = 16),
    key        BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (post_key, key)
) WITHOUT ROWID;
CREATE UNIQUE INDEX post_likes_user ON post_likes (user_id, post_key);

-- People whose account has ended, until the last of their posts, likes and mentions is gone.
CREATE TABLE post_leavers (
    user_id BLOB   NOT NULL PRIMARY KEY,
    at      BIGINT NOT NULL
) WITHOUT ROWID;

-- Deleted posts of which announcements with a lower outbox id may still have to be emptied.
CREATE TABLE post_redactions (
    post_id   BLOB   NOT NULL PRIMARY KEY,
    before_id BIGINT NOT NULL
) WITHOUT ROWID;
