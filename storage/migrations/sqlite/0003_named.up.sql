-- A redaction of what names a person: whoever stands second, third and fourth in about. The first is the actor. Only
-- a group that has grown or shrunk is announced in the name of several; nothing else pays for these.
CREATE INDEX outbox_second ON outbox (object_id, substr(about, 17, 16))
    WHERE op = 1 AND type = 'notification.updated' AND data IS NOT NULL
        AND object_id IS NOT NULL AND length(about) > 16;
CREATE INDEX outbox_third ON outbox (object_id, substr(about, 33, 16))
    WHERE op = 1 AND type = 'notification.updated' AND data IS NOT NULL
        AND object_id IS NOT NULL AND length(about) > 32;
CREATE INDEX outbox_fourth ON outbox (object_id, substr(about, 49, 16))
    WHERE op = 1 AND type = 'notification.updated' AND data IS NOT NULL
        AND object_id IS NOT NULL AND length(about) > 48;
