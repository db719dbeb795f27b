-- What operators did on the command line of the machine. A person is an id, which outlives the account and names nobody.
CREATE TABLE audit (
    key       bigint NOT NULL PRIMARY KEY,
    at        bigint NOT NULL,
    operator  text NOT NULL,  -- account of the operating system
    action    text NOT NULL,
    person_id bytea,           -- NULL = about nobody
    target    text NOT NULL,
    reason    text NOT NULL
);
