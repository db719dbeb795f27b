-- names_changed moves, in the same transaction, with each change of what Refs shows of an account: what is kept in memory
-- holds in every snapshot with the same value.
CREATE TABLE user_marks (
    id            BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    names_changed BIGINT NOT NULL
);
INSERT INTO user_marks (id, names_changed) VALUES (1, 0);
