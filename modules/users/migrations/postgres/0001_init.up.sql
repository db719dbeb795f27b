-- Accounts. The row of a deleted account stays, emptied: its id is not given out again.
CREATE TABLE users (
    id              bytea NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    key             bigint NOT NULL UNIQUE,
    username        text NOT NULL UNIQUE,
    display_name    text NOT NULL,
    bio             text NOT NULL DEFAULT '',
    bot             smallint NOT NULL DEFAULT 0 CHECK (bot IN (0, 1)),
    locked          smallint NOT NULL DEFAULT 0 CHECK (locked IN (0, 1)),
    email           text,
    email_verified  smallint NOT NULL DEFAULT 0 CHECK (email_verified IN (0, 1)),
    role            text NOT NULL CHECK (role IN ('user', 'moderator', 'admin')),
    state           text NOT NULL CHECK (state IN ('active', 'suspended', 'deleting')),
    locale          text NOT NULL,
    time_zone       text NOT NULL,
    password_hash   text NOT NULL,
    followers_count bigint NOT NULL DEFAULT 0 CHECK (followers_count >= 0),
    following_count bigint NOT NULL DEFAULT 0 CHECK (following_count >= 0),
    posts_count     bigint NOT NULL DEFAULT 0 CHECK (posts_count >= 0),
    created_at      bigint NOT NULL,
    deleted_at      bigint
);

-- Names of deleted accounts, as SHA-256: they stay reserved and are not readable any more.
CREATE TABLE retired_names (
    hash bytea NOT NULL PRIMARY KEY CHECK (length(hash) = 32)
);

CREATE TABLE sessions (
    id           bytea NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    key          bigint NOT NULL,
    user_id      bytea NOT NULL REFERENCES users (id),
    hash         bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    user_agent   text NOT NULL,
    address      text NOT NULL,
    created_at   bigint NOT NULL,
    last_used_at bigint NOT NULL,
    expires_at   bigint NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id, key);
CREATE INDEX sessions_expires ON sessions (expires_at);

CREATE TABLE tokens (
    id           bytea NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    key          bigint NOT NULL,
    user_id      bytea NOT NULL REFERENCES users (id),
    name         text NOT NULL,
    hash         bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    scopes       text NOT NULL,
    created_at   bigint NOT NULL,
    last_used_at bigint,
    expires_at   bigint
);
CREATE INDEX tokens_user ON tokens (user_id, key);

CREATE TABLE service_tokens (
    id           bytea NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    key          bigint NOT NULL UNIQUE,
    name         text NOT NULL,
    hash         bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_at   bigint NOT NULL,
    last_used_at bigint
);

-- A ticket dies with the session or the token that made it.
CREATE TABLE stream_tickets (
    hash       bytea NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    session_id bytea REFERENCES sessions (id) ON DELETE CASCADE,
    token_id   bytea REFERENCES tokens (id) ON DELETE CASCADE,
    expires_at bigint NOT NULL,
    CHECK ((session_id IS NULL) <> (token_id IS NULL))
);
CREATE INDEX stream_tickets_session ON stream_tickets (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX stream_tickets_token ON stream_tickets (token_id) WHERE token_id IS NOT NULL;
CREATE INDEX stream_tickets_expires ON stream_tickets (expires_at);

CREATE TABLE invites (
    hash       bytea NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    uses_left  bigint NOT NULL CHECK (uses_left >= 0),
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE INDEX invites_expires ON invites (expires_at);
