-- Pictures that people sent. state: 0 in work, 1 ready, 2 failed. token and name of a file are the permission to read
-- it. used_as: 0 nothing yet, 1 part of post_id, 2 the owner's avatar, 3 an avatar of before: events up to position
-- until name it. gone_at: nobody is shown it any more, and its files are to be removed. focus_* are in ten-thousandths.
CREATE TABLE media (
    id         bytea   NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    owner_id   bytea   NOT NULL CHECK (length(owner_id) = 16),
    token      text    NOT NULL UNIQUE,
    ext        text    NOT NULL,
    state      integer NOT NULL CHECK (state BETWEEN 0 AND 2),
    mime       text    NOT NULL,
    bytes      bigint  NOT NULL,
    small      bigint  NOT NULL,
    width      integer NOT NULL,
    height     integer NOT NULL,
    blurhash   text,
    alt        text    NOT NULL,
    focus_x    integer NOT NULL,
    focus_y    integer NOT NULL,
    used_as    integer NOT NULL DEFAULT 0 CHECK (used_as BETWEEN 0 AND 3),
    post_id    bytea,
    until      bigint  NOT NULL DEFAULT 0,
    gone_at    bigint  NOT NULL DEFAULT 0,
    created_at bigint  NOT NULL
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
    user_id bytea  NOT NULL PRIMARY KEY,
    at      bigint NOT NULL
);
