-- The store: what must survive everything. Words (state, health, cause) are
-- kept as the names of the contract, so that renumbering an enum in the
-- programs can never change the meaning of a row.
PRAGMA application_id = 0x45424d53;

-- Numbers handed out once, never twice: fences and checkpoint ids.
CREATE TABLE counter (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counter VALUES ('fence', 0), ('checkpoint', 0);

CREATE TABLE job (
    id                INTEGER PRIMARY KEY,
    name              TEXT NOT NULL,
    state             TEXT NOT NULL,
    intent            TEXT NOT NULL,
    priority          INTEGER NOT NULL,
    after_job         INTEGER NOT NULL,
    ranks             INTEGER NOT NULL,
    threads           INTEGER NOT NULL,
    step              INTEGER NOT NULL,
    total_steps       INTEGER NOT NULL,
    attempt           INTEGER NOT NULL,
    restarts_used     INTEGER NOT NULL,
    max_restarts      INTEGER NOT NULL,
    rollbacks_used    INTEGER NOT NULL,
    noise_epoch       INTEGER NOT NULL,
    parent_job        INTEGER NOT NULL,
    parent_checkpoint INTEGER NOT NULL,
    not_before_ms     INTEGER NOT NULL,
    submitted_ms      INTEGER NOT NULL,
    started_ms        INTEGER NOT NULL,
    ended_ms          INTEGER NOT NULL,
    reason            TEXT NOT NULL,
    plan_cause        TEXT NOT NULL,
    plan_actor        TEXT NOT NULL,
    plan_checkpoint   INTEGER NOT NULL,
    submit_key        TEXT NOT NULL
) STRICT;

-- The queue in scheduling order, and the counts by state.
CREATE INDEX job_by_state ON job (state, priority DESC, id);
-- Jobs that are not over: few, however long the history is.
CREATE INDEX job_open ON job (id)
    WHERE state NOT IN ('succeeded', 'failed', 'cancelled', 'diverged');
CREATE UNIQUE INDEX job_by_key ON job (submit_key) WHERE submit_key <> '';
CREATE INDEX job_by_parent_checkpoint ON job (parent_checkpoint) WHERE parent_checkpoint <> 0;
CREATE INDEX job_by_plan_checkpoint ON job (plan_checkpoint) WHERE plan_cause <> '';

-- The columns of a job in the order in which the program reads them.
CREATE VIEW job_row AS
SELECT id, name, state, intent, priority, after_job, ranks, threads, step, total_steps, attempt,
       restarts_used, max_restarts, rollbacks_used, noise_epoch, parent_job, parent_checkpoint,
       not_before_ms, submitted_ms, started_ms, ended_ms, reason,
       plan_cause, plan_actor, plan_checkpoint
FROM job;

-- Long texts stay out of the rows that lists walk over.
CREATE TABLE job_text (
    job    INTEGER PRIMARY KEY REFERENCES job (id),
    source TEXT NOT NULL,
    spec   TEXT NOT NULL
) STRICT;

CREATE TABLE attempt (
    job             INTEGER NOT NULL REFERENCES job (id),
    attempt         INTEGER NOT NULL,
    fence           INTEGER NOT NULL UNIQUE,
    token           TEXT NOT NULL,
    cause           TEXT NOT NULL,
    actor           TEXT NOT NULL,
    from_checkpoint INTEGER NOT NULL,
    from_step       INTEGER NOT NULL,
    last_step       INTEGER NOT NULL,
    started_ms      INTEGER NOT NULL,
    ended_ms        INTEGER NOT NULL,
    outcome         TEXT NOT NULL,
    reason          TEXT NOT NULL,
    overrides       TEXT NOT NULL,
    host            TEXT NOT NULL,
    shepherd_pid    INTEGER NOT NULL,
    shepherd_start  INTEGER NOT NULL,
    reported        TEXT NOT NULL,
    reported_reason TEXT NOT NULL,
    PRIMARY KEY (job, attempt)
) STRICT, WITHOUT ROWID;

-- A job has at most one live attempt: the schema says so too.
CREATE UNIQUE INDEX attempt_live ON attempt (job) WHERE ended_ms = 0;
CREATE INDEX attempt_live_source ON attempt (from_checkpoint) WHERE ended_ms = 0;

CREATE TRIGGER attempt_is_history BEFORE UPDATE ON attempt WHEN old.ended_ms <> 0
BEGIN
    SELECT raise(ABORT, 'an ended attempt is never changed');
END;
CREATE TRIGGER attempt_stays BEFORE DELETE ON attempt
BEGIN
    SELECT raise(ABORT, 'an attempt is never deleted');
END;

CREATE TABLE attempt_text (
    job     INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    spec    TEXT NOT NULL,
    PRIMARY KEY (job, attempt),
    FOREIGN KEY (job, attempt) REFERENCES attempt (job, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoint (
    id          INTEGER PRIMARY KEY,
    job         INTEGER NOT NULL REFERENCES job (id),
    attempt     INTEGER NOT NULL,
    step        INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    digest      BLOB NOT NULL CHECK (length(digest) = 32),
    math_digest BLOB NOT NULL CHECK (length(math_digest) = 32),
    health      TEXT NOT NULL,
    pinned      INTEGER NOT NULL,
    score       REAL,
    created_ms  INTEGER NOT NULL,
    deleted     INTEGER NOT NULL
) STRICT;

CREATE INDEX checkpoint_by_job ON checkpoint (job, step, id);
CREATE INDEX checkpoint_kept_by_job ON checkpoint (job, step, id) WHERE deleted = 0;
CREATE INDEX checkpoint_kept ON checkpoint (id) WHERE deleted = 0;

CREATE TRIGGER checkpoint_stays BEFORE DELETE ON checkpoint
BEGIN
    SELECT raise(ABORT, 'a checkpoint row is never deleted');
END;

CREATE TABLE event (
    seq     INTEGER PRIMARY KEY,
    job     INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    text    TEXT NOT NULL
) STRICT;

CREATE INDEX event_by_job ON event (job, seq);

CREATE TRIGGER event_is_history BEFORE UPDATE ON event
BEGIN
    SELECT raise(ABORT, 'an event is never changed');
END;
CREATE TRIGGER event_stays BEFORE DELETE ON event
BEGIN
    SELECT raise(ABORT, 'an event is never deleted');
END;

-- Replies to changes by their idempotency key, kept for a day.
CREATE TABLE reply (
    key     TEXT PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    bytes   BLOB NOT NULL
) STRICT;

CREATE INDEX reply_by_time ON reply (time_ms);

PRAGMA user_version = 1;
