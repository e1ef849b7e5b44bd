-- What is to be told of a job, in the transaction of what happened to it.
CREATE TABLE notice (
    id          INTEGER PRIMARY KEY,
    job         INTEGER NOT NULL REFERENCES job (id),
    attempt     INTEGER NOT NULL,
    time_ms     INTEGER NOT NULL,
    event       TEXT NOT NULL,
    job_state   TEXT NOT NULL,
    step        INTEGER NOT NULL,
    total_steps INTEGER NOT NULL,
    reason      TEXT NOT NULL,
    ended_ms    INTEGER NOT NULL, -- 0: not told yet
    outcome     TEXT NOT NULL     -- told failed
) STRICT;

CREATE INDEX notice_due ON notice (job, id) WHERE ended_ms = 0;

CREATE TRIGGER notice_is_history BEFORE UPDATE ON notice WHEN old.ended_ms <> 0
BEGIN
    SELECT raise(ABORT, 'a notice that has ended is never changed');
END;
CREATE TRIGGER notice_stays BEFORE DELETE ON notice
BEGIN
    SELECT raise(ABORT, 'a notice is never deleted');
END;

PRAGMA user_version = 3;
