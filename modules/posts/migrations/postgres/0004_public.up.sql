-- The local timeline: top-level posts for everybody. What is for fewer is not in it.
CREATE INDEX posts_local ON posts (visibility, key) WHERE deleted_at = 0 AND reply_to IS NULL AND visibility = 0;

-- Tags of posts and comments that are for everybody and stand. Nothing else is in it, so nobody walks what is not for
-- them.
CREATE TABLE post_tags (
    tag      text COLLATE "C" NOT NULL,
    post_key bigint NOT NULL REFERENCES posts (key),
    PRIMARY KEY (tag, post_key)
);
INSERT INTO post_tags (tag, post_key) SELECT DISTINCT t.value ->> 'tag', p.key
    FROM posts p, jsonb_array_elements(p.tags::jsonb) t WHERE p.deleted_at = 0 AND p.visibility = 0 AND p.tags IS NOT NULL;

-- The newest top-level post for everybody of each person who wrote one, until a job has told of it.
CREATE TABLE post_authors (
    user_id bytea NOT NULL PRIMARY KEY CHECK (length(user_id) = 16),
    newest  bigint NOT NULL
);
INSERT INTO post_authors (user_id, newest) SELECT author_id, MAX(key) FROM posts
    WHERE reply_to IS NULL AND deleted_at = 0 AND visibility = 0 GROUP BY author_id;

-- When the author changed the post last.
ALTER TABLE posts ADD COLUMN edited_at bigint;
