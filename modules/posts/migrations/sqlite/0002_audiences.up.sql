-- What a person wrote, by who sees it: each post stands in one of the two, and each visibility is a range of its own, so
-- that nobody walks what is not for them.
DROP INDEX posts_author_top;
DROP INDEX posts_author_comments;
CREATE INDEX posts_author_top ON posts (author_id, visibility, key) WHERE deleted_at = 0 AND reply_to IS NULL;
CREATE INDEX posts_author_comments ON posts (author_id, visibility, key) WHERE deleted_at = 0 AND reply_to IS NOT NULL;

-- author_id is set where the post is a top-level one that is not for everybody and stands: then the row is its place in
-- what this author wrote for the person named.
ALTER TABLE post_mentions ADD COLUMN author_id BLOB;
UPDATE post_mentions SET author_id = (SELECT p.author_id FROM posts p WHERE p.key = post_mentions.post_key
    AND p.reply_to IS NULL AND p.visibility <> 0 AND p.deleted_at = 0);
CREATE INDEX post_mentions_author ON post_mentions (user_id, author_id, addressed, post_key) WHERE author_id IS NOT NULL;

-- Deleted comments with nothing below them stand below nothing any more.
DELETE FROM post_ancestors WHERE post_key IN (SELECT p.key FROM posts p WHERE p.reply_to IS NOT NULL
    AND p.deleted_at <> 0 AND p.comment_count = 0);

-- How many posts of a person were counted though they are not for everybody; a job takes them from the count.
CREATE TABLE post_recounts (
    user_id BLOB   NOT NULL PRIMARY KEY CHECK (length(user_id) = 16),
    hidden  BIGINT NOT NULL
) WITHOUT ROWID;
INSERT INTO post_recounts (user_id, hidden) SELECT author_id, COUNT(*) FROM posts
    WHERE reply_to IS NULL AND deleted_at = 0 AND visibility <> 0 GROUP BY author_id;
