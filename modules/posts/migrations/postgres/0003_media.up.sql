-- The pictures of a post as it shows them: a list in JSON, NULL when there are none. Files are named as on this site.
ALTER TABLE posts ADD COLUMN media text;
-- What a person wrote with pictures, by who sees it.
CREATE INDEX posts_author_top_media ON posts (author_id, visibility, key)
    WHERE deleted_at = 0 AND reply_to IS NULL AND media IS NOT NULL;
CREATE INDEX posts_author_comments_media ON posts (author_id, visibility, key)
    WHERE deleted_at = 0 AND reply_to IS NOT NULL AND media IS NOT NULL;
-- with_media is 1 where author_id is set and the post has pictures.
ALTER TABLE post_mentions ADD COLUMN with_media smallint NOT NULL DEFAULT 0 CHECK (with_media IN (0, 1));
CREATE INDEX post_mentions_media ON post_mentions (user_id, author_id, addressed, post_key) WHERE with_media = 1;
