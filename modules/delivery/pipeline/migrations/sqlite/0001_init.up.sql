-- Endpoints: one person's address in a sender.
CREATE TABLE endpoints (
    id               BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    key              BIGINT NOT NULL UNIQUE,
    owner_id         BLOB NOT NULL,
    channel          TEXT NOT NULL,
    name             TEXT NOT NULL,
    settings         TEXT NOT NULL,              -- JSON as the channel normalised it
    types            TEXT NOT NULL,              -- comma list of notification types; '' = all
    wants_posts      INTEGER NOT NULL CHECK (wants_posts IN (0, 1)),
    secret           TEXT NOT NULL,
    old_secret       TEXT NOT NULL DEFAULT '',
    old_secret_until BIGINT NOT NULL DEFAULT 0,
    since            BIGINT NOT NULL,            -- events at or below this position are not for it
    disabled         TEXT NOT NULL DEFAULT '' CHECK (disabled IN ('', 'owner', 'gone', 'failing_too_long', 'admin')),
    due_at           BIGINT,                     -- when to look at it next; NULL = nothing waits
    busy_until       BIGINT NOT NULL DEFAULT 0,  -- an attempt is under way; after this moment it is given up for lost
    unsettled        INTEGER NOT NULL DEFAULT 0 CHECK (unsettled IN (0, 1)), -- disabled or deleted, rows left to settle
    failing_since    BIGINT,
    last_success_at  BIGINT,
    last_failure_at  BIGINT,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL,
    deleted_at       BIGINT
) WITHOUT ROWID;
CREATE INDEX endpoints_owner ON endpoints (owner_id, key) WHERE deleted_at IS NULL;
CREATE INDEX endpoints_posts ON endpoints (key) WHERE wants_posts = 1 AND disabled = '' AND deleted_at IS NULL;
CREATE INDEX endpoints_due ON endpoints (channel, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX endpoints_unsettled ON endpoints (id) WHERE unsettled = 1;

-- Deliveries: one event for one endpoint. The event itself stays in the log and is read for each attempt, so what
-- is deleted there is nowhere here.
CREATE TABLE deliveries (
    id              BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    key             BIGINT NOT NULL UNIQUE,
    endpoint_id     BLOB NOT NULL REFERENCES endpoints (id),
    position        BIGINT,                      -- NULL = a test
    event_type      TEXT NOT NULL,
    notification_id BLOB,                        -- a post's own id for a post
    state           TEXT NOT NULL CHECK
        (state = 'pending' OR state = 'succeeded' OR state = 'dead' OR state = 'cancelled'),
    tries           INTEGER NOT NULL DEFAULT 0,  -- attempts since the schedule began
    attempts        INTEGER NOT NULL DEFAULT 0,  -- attempts in all
    next_attempt_at BIGINT,
    created_at      BIGINT NOT NULL,
    finished_at     BIGINT,
    CHECK ((state = 'pending') = (next_attempt_at IS NOT NULL)),
    CHECK ((state = 'pending') = (finished_at IS NULL))
) WITHOUT ROWID;
CREATE UNIQUE INDEX deliveries_event ON deliveries (endpoint_id, position) WHERE position IS NOT NULL;
CREATE INDEX deliveries_list ON deliveries (endpoint_id, key);
CREATE INDEX deliveries_state ON deliveries (endpoint_id, state, key);
CREATE INDEX deliveries_due ON deliveries (endpoint_id, next_attempt_at, key) WHERE state = 'pending';
CREATE INDEX deliveries_finished ON deliveries (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE attempts (
    delivery_id BLOB NOT NULL REFERENCES deliveries (id),
    number      INTEGER NOT NULL,
    at          BIGINT NOT NULL,
    outcome     TEXT NOT NULL,
    http_status INTEGER NOT NULL,                -- 0 = none
    duration_ms BIGINT NOT NULL,
    detail      TEXT NOT NULL,
    PRIMARY KEY (delivery_id, number)
) WITHOUT ROWID;

-- Posts on their way to the endpoints of bell followers: how far the endpoints have been gone through.
CREATE TABLE fanouts (
    position BIGINT NOT NULL PRIMARY KEY,
    done_key BIGINT NOT NULL DEFAULT 0           -- endpoints up to this key are done
) WITHOUT ROWID;

-- How far the log has been turned into deliveries. It moves with the rows it made.
CREATE TABLE sender_mark (
    id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    position BIGINT NOT NULL
);
