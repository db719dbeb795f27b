-- The file of a person's avatar on this site, as "<token>/<name>"; NULL = none.
ALTER TABLE users ADD COLUMN avatar text;
