-- Accounts. The row of a deleted account stays, emptied: its id is not given out again.
CREATE TABLE users (
    id              BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    key             BIGINT NOT NULL UNIQUE,
    username        TEXT NOT NULL UNIQUE,
    display_name    TEXT NOT NULL,
    bio             TEXT NOT NULL DEFAULT '',
    bot             INTEGER NOT NULL DEFAULT 0 CHECK (bot IN (0, 1)),
    locked          INTEGER NOT NULL DEFAULT 0 CHECK (locked IN (0, 1)),
    email           TEXT,
    email_verified  INTEGER NOT NULL DEFAULT 0 CHECK (email_verified IN (0, 1)),
    role            TEXT NOT NULL CHECK (role IN ('user', 'moderator', 'admin')),
    state           TEXT NOT NULL CHECK (state IN ('active', 'suspended', 'deleting')),
    locale          TEXT NOT NULL,
    time_zone       TEXT NOT NULL,
    password_hash   TEXT NOT NULL,
    followers_count BIGINT NOT NULL DEFAULT 0 CHECK (followers_count >= 0),
    following_count BIGINT NOT NULL DEFAULT 0 CHECK (following_count >= 0),
    posts_count     BIGINT NOT NULL DEFAULT 0 CHECK (posts_count >= 0),
    created_at      BIGINT NOT NULL,
    deleted_at      BIGINT
) WITHOUT ROWID;

-- Names of deleted accounts, as SHA-256: they stay reserved and are not readable any more.
CREATE TABLE retired_names (
    hash BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32)
) WITHOUT ROWID;

CREATE TABLE sessions (
    id           BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    key          BIGINT NOT NULL,
    user_id      BLOB NOT NULL REFERENCES users (id),
    hash         BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    user_agent   TEXT NOT NULL,
    address      TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user_id, key);
CREATE INDEX sessions_expires ON sessions (expires_at);

CREATE TABLE tokens (
    id           BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    key          BIGINT NOT NULL,
    user_id      BLOB NOT NULL REFERENCES users (id),
    name         TEXT NOT NULL,
    hash         BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    scopes       TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT,
    expires_at   BIGINT
) WITHOUT ROWID;
CREATE INDEX tokens_user ON tokens (user_id, key);

CREATE TABLE service_tokens (
    id           BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    key          BIGINT NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    hash         BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT
) WITHOUT ROWID;

-- A ticket dies with the session or the token that made it.
CREATE TABLE stream_tickets (
    hash       BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    session_id BLOB REFERENCES sessions (id) ON DELETE CASCADE,
    token_id   BLOB REFERENCES tokens (id) ON DELETE CASCADE,
    expires_at BIGINT NOT NULL,
    CHECK ((session_id IS NULL) <> (token_id IS NULL))
) WITHOUT ROWID;
CREATE INDEX stream_tickets_session ON stream_tickets (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX stream_tickets_token ON stream_tickets (token_id) WHERE token_id IS NOT NULL;
CREATE INDEX stream_tickets_expires ON stream_tickets (expires_at);

CREATE TABLE invites (
    hash       BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    uses_left  BIGINT NOT NULL CHECK (uses_left >= 0),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX invites_expires ON invites (expires_at);
