-- Queries that every database has. See embed.cmake for the form.

-- name: alone
-- Before the log is read: its index is in memory then, and in no file.
PRAGMA locking_mode = EXCLUSIVE;

-- name: begin
BEGIN IMMEDIATE;

-- name: commit
COMMIT;

-- name: rollback
ROLLBACK;

-- name: savepoint_handler
SAVEPOINT handler;

-- name: savepoint_handler_release
RELEASE handler;

-- name: savepoint_handler_undo
ROLLBACK TO handler;

-- name: savepoint_op
SAVEPOINT op;

-- name: savepoint_op_release
RELEASE op;

-- name: savepoint_op_undo
ROLLBACK TO op;

-- name: user_version
PRAGMA user_version;

-- name: application_id
PRAGMA application_id;

-- name: schema_objects
SELECT count(*) FROM sqlite_schema;

-- name: quick_check
PRAGMA quick_check(1);
