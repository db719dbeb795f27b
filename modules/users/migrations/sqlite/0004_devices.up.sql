-- Addresses (IPv6: /64) from which an account was used within DeviceTTL, as SHA-256 of account and address. Who comes from
-- one is not held up by strangers who guess the password.
CREATE TABLE known_devices (
    user_id BLOB NOT NULL REFERENCES users (id),
    hash    BLOB NOT NULL CHECK (length(hash) = 32),
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, hash)
) WITHOUT ROWID;
CREATE INDEX known_devices_seen ON known_devices (seen_at);
