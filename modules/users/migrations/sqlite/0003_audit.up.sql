-- What operators did on the command line of the machine. A person is an id, which outlives the account and names nobody.
CREATE TABLE audit (
    key       BIGINT NOT NULL PRIMARY KEY,
    at        BIGINT NOT NULL,
    operator  TEXT NOT NULL,  -- account of the operating system
    action    TEXT NOT NULL,
    person_id BLOB,           -- NULL = about nobody
    target    TEXT NOT NULL,
    reason    TEXT NOT NULL
) WITHOUT ROWID;
