-- For a CHECK (x IN (a, b, c)) SQLite builds a table at each row; busy tables say it in another way.

-- Announcements on their way into the event log. One row per stream; ids are never given out twice.
CREATE TABLE outbox (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    op           INTEGER NOT NULL CHECK (op BETWEEN 1 AND 3),
    stream       BLOB,
    type         TEXT,
    actor_id     BLOB,
    object_id    BLOB,
    about        BLOB,
    internal     INTEGER NOT NULL DEFAULT 0 CHECK (internal IN (0, 1)),
    time         BIGINT NOT NULL,
    data         BLOB,
    position     BIGINT,
    tries        INTEGER NOT NULL DEFAULT 0,
    set_aside_at BIGINT,
    CHECK (op <> 1 OR (stream IS NOT NULL AND type IS NOT NULL))
);
-- What a redaction may empty. What is empty already is not in it, so redacting the same object often stays cheap.
CREATE INDEX outbox_object ON outbox (object_id, actor_id, id) WHERE op = 1 AND data IS NOT NULL AND object_id IS NOT NULL;
CREATE INDEX outbox_set_aside ON outbox (id) WHERE set_aside_at IS NOT NULL;
CREATE INDEX outbox_erase ON outbox (id) WHERE op = 3 AND data IS NULL;

-- Answers of requests that carried an Idempotency-Key. person: whose account takes the answer with it when it ends.
CREATE TABLE idempotency_keys (
    actor      TEXT NOT NULL,
    route      TEXT NOT NULL,
    key        TEXT NOT NULL,
    hash       BLOB NOT NULL,
    answer     BLOB NOT NULL,
    person     BLOB,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (actor, route, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_keys_person ON idempotency_keys (person) WHERE person IS NOT NULL;
CREATE INDEX idempotency_keys_expires ON idempotency_keys (expires_at);

-- The secret from which all others are derived; made at first use.
CREATE TABLE server_key (
    id  INTEGER PRIMARY KEY CHECK (id = 1),
    key BLOB NOT NULL CHECK (length(key) = 32)
);

-- What the event log has to agree with.
CREATE TABLE log_state (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL CHECK (epoch BETWEEN 1 AND 4294967295),
    floor BIGINT NOT NULL CHECK (floor >= 0)
);
INSERT INTO log_state (id, epoch, floor) VALUES (1, 1, 0);

-- The one counter of order keys.
CREATE TABLE order_keys (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    last BIGINT NOT NULL
);
INSERT INTO order_keys (id, last) VALUES (1, 0);
