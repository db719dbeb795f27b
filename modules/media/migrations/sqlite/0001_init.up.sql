-- Pictures that people sent. state: 0 in work, 1 ready, 2 failed. token and name of a file are the permission to read
-- it. used_as: 0 nothing yet, 1 part of post_id, 2 the owner's avatar, 3 an avatar of before: events up to position
-- until name it. gone_at: nobody is shown it any more, and its files are to be removed. focus_* are in ten-thousandths.
CREATE TABLE media (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    owner_id   BLOB    NOT NULL CHECK (length(owner_id) = 16),
    token      TEXT    NOT NULL UNIQUE,
    ext        TEXT    NOT NULL,
    state      INTEGER NOT NULL CHECK (state BETWEEN 0 AND 2),
    mime       TEXT    NOT NULL,
    bytes      BIGINT  NOT NULL,
    small      BIGINT  NOT NULL,
    width      INTEGER NOT NULL,
    height     INTEGER NOT NULL,
    blurhash   TEXT,
    alt        TEXT    NOT NULL,
    focus_x    INTEGER NOT NULL,
    focus_y    INTEGER NOT NULL,
    used_as    INTEGER NOT NULL DEFAULT 0 CHECK (used_as BETWEEN 0 AND 3),
    post_id    BLOB,
    until      BIGINT  NOT NULL DEFAULT 0,
    gone_at    BIGINT  NOT NULL DEFAULT 0,
    created_at BIGINT  NOT NULL
);
CREATE INDEX media_owner ON media (owner_id, id);
CREATE INDEX media_post ON media (post_id) WHERE post_id IS NOT NULL;
CREATE INDEX media_work ON media (id) WHERE state = 0;
CREATE INDEX media_worn ON media (owner_id) WHERE used_as = 2;
CREATE INDEX media_loose ON media (created_at) WHERE used_as = 0 AND gone_at = 0;
CREATE INDEX media_replaced ON media (until) WHERE used_as = 3 AND gone_at = 0;
CREATE INDEX media_gone ON media (gone_at) WHERE gone_at <> 0;

-- People whose account has ended, until the last of their pictures is marked as gone.
CREATE TABLE media_leavers (
    user_id BLOB   NOT NULL PRIMARY KEY,
    at      BIGINT NOT NULL
) WITHOUT ROWID;
