-- Checkpoint bytes. A blob is readable once it is complete; until then it and
-- its chunks are only what arrived so far.
PRAGMA application_id = 0x45424d56;

CREATE TABLE blob (
    checkpoint INTEGER PRIMARY KEY,
    bytes      INTEGER NOT NULL,
    complete   INTEGER NOT NULL,
    digest     BLOB
) STRICT;

CREATE TABLE chunk (
    id         INTEGER PRIMARY KEY,
    checkpoint INTEGER NOT NULL REFERENCES blob (checkpoint),
    position   INTEGER NOT NULL,
    bytes      BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX chunk_by_position ON chunk (checkpoint, position);

PRAGMA user_version = 1;
