-- How people are found. found_name is the display name as a search compares it; NULL = a job has to make it. active_key is
-- the order key of the newest top-level post for everybody, 0 = none. The indexes hold those who may be found, and the
-- last one those whose found_name is to be made.
ALTER TABLE users ADD COLUMN found_name text;
ALTER TABLE users ADD COLUMN active_key bigint NOT NULL DEFAULT 0;
CREATE INDEX users_by_username ON users (username) WHERE deleted_at IS NULL AND state = 'active';
CREATE INDEX users_by_found_name ON users (found_name) WHERE deleted_at IS NULL AND state = 'active';
CREATE INDEX users_by_activity ON users (active_key) WHERE deleted_at IS NULL AND state = 'active' AND posts_count > 0;
CREATE INDEX users_without_found_name ON users (key) WHERE deleted_at IS NULL AND found_name IS NULL;
