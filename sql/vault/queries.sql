-- name: vault_form
-- Large pages suit rows of a megabyte. Both hold only for a file that is
-- still empty, and the second one writes whenever it is said.
PRAGMA page_size = 32768;
PRAGMA auto_vacuum = INCREMENTAL;

-- name: vault_pragmas
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA wal_autocheckpoint = 256;
PRAGMA journal_size_limit = 16777216;

-- name: blob_insert
INSERT INTO blob (checkpoint, bytes, complete) VALUES (?1, ?2, 0);

-- name: blob_get
SELECT bytes, complete, digest FROM blob WHERE checkpoint = ?1;

-- name: blob_complete
UPDATE blob SET complete = 1, digest = ?2 WHERE checkpoint = ?1;

-- name: blob_delete
DELETE FROM blob WHERE checkpoint = ?1;

-- name: blob_ids
SELECT checkpoint FROM blob ORDER BY checkpoint;

-- name: chunk_insert
INSERT INTO chunk (checkpoint, position, bytes) VALUES (?1, ?2, ?3);

-- name: chunk_read
-- From the chunk that holds position ?2 on.
SELECT position, bytes FROM chunk
WHERE checkpoint = ?1
  AND position >= (SELECT max(position) FROM chunk WHERE checkpoint = ?1 AND position <= ?2)
ORDER BY position;

-- name: chunk_delete
DELETE FROM chunk WHERE checkpoint = ?1;

-- name: page_size
PRAGMA page_size;

-- name: page_count
PRAGMA page_count;

-- name: free_count
PRAGMA freelist_count;

-- name: vacuum_slice
-- 64 pages, 2 MiB: short enough to stand between two requests.
PRAGMA incremental_vacuum(64);

-- name: wal_truncate
PRAGMA wal_checkpoint(TRUNCATE);
