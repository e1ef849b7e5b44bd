-- Parameters are numbered in the order of the fields of the row struct.

-- name: store_pragmas
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA cache_size = -16384;
PRAGMA journal_size_limit = 16777216;

-- name: counter_next
-- ?2 is the highest number this process has handed out, also in turns that
-- were rolled back since.
UPDATE counter SET value = max(value, ?2) + 1 WHERE name = ?1 RETURNING value;

-- name: job_insert
INSERT INTO job (name, state, intent, priority, after_job, ranks, threads, step, total_steps,
                 attempt, restarts_used, max_restarts, rollbacks_used, noise_epoch, parent_job,
                 parent_checkpoint, not_before_ms, submitted_ms, started_ms, ended_ms, reason,
                 plan_cause, plan_actor, plan_checkpoint, submit_key)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
        ?21, ?22, ?23, ?24, ?25)
RETURNING id;

-- name: job_by_key
SELECT id FROM job WHERE submit_key = ?1 AND submit_key <> '';

-- name: job_text_insert
INSERT INTO job_text (job, source, spec) VALUES (?1, ?2, ?3);

-- name: job_text_get
SELECT source, spec FROM job_text WHERE job = ?1;

-- name: job_text_set_spec
UPDATE job_text SET spec = ?2 WHERE job = ?1;

-- name: job_get
SELECT * FROM job_row WHERE id = ?1;

-- name: job_state
SELECT state FROM job WHERE id = ?1;

-- name: job_update
UPDATE job SET state = ?2, intent = ?3, priority = ?4, after_job = ?5, ranks = ?6, threads = ?7,
       step = ?8, total_steps = ?9, attempt = ?10, restarts_used = ?11, max_restarts = ?12,
       rollbacks_used = ?13, noise_epoch = ?14, parent_job = ?15, parent_checkpoint = ?16,
       not_before_ms = ?17, started_ms = ?18, ended_ms = ?19, reason = ?20,
       plan_cause = ?21, plan_actor = ?22, plan_checkpoint = ?23
WHERE id = ?1;

-- name: job_set_step
UPDATE job SET step = ?2 WHERE id = ?1;

-- name: job_page
SELECT * FROM job_row WHERE id > ?1 ORDER BY id;

-- name: job_page_open
SELECT * FROM job_row
WHERE id > ?1 AND state NOT IN ('succeeded', 'failed', 'cancelled', 'diverged')
ORDER BY id;

-- name: job_queue
-- Once a job has started it follows nobody, see queue.c.
SELECT j.id, j.priority, j.ranks * j.threads, j.not_before_ms, iif(j.attempt = 0, j.after_job, 0),
       o.state
FROM job AS j LEFT JOIN job AS o ON o.id = j.after_job AND j.attempt = 0
WHERE j.state = 'queued'
ORDER BY j.priority DESC, j.id;

-- name: job_counts
SELECT state, count(*) FROM job GROUP BY state;

-- name: attempt_insert
INSERT INTO attempt (job, attempt, fence, token, cause, actor, from_checkpoint, from_step,
                     last_step, started_ms, ended_ms, outcome, reason, overrides, host,
                     shepherd_pid, shepherd_start, reported, reported_reason, reported_onset)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20);

-- name: attempt_text_insert
INSERT INTO attempt_text (job, attempt, spec) VALUES (?1, ?2, ?3);

-- name: attempt_text_get
SELECT spec FROM attempt_text WHERE job = ?1 AND attempt = ?2;

-- name: attempt_get
SELECT job, attempt, fence, token, cause, actor, from_checkpoint, from_step, last_step, started_ms,
       ended_ms, outcome, reason, overrides, host, shepherd_pid, shepherd_start, reported,
       reported_reason, reported_onset
FROM attempt WHERE job = ?1 AND attempt = ?2;

-- name: attempt_page
SELECT job, attempt, fence, token, cause, actor, from_checkpoint, from_step, last_step, started_ms,
       ended_ms, outcome, reason, overrides, host, shepherd_pid, shepherd_start, reported,
       reported_reason, reported_onset
FROM attempt WHERE job = ?1 ORDER BY attempt;

-- name: attempt_update
UPDATE attempt SET last_step = ?3, host = ?4, shepherd_pid = ?5, shepherd_start = ?6,
       reported = ?7, reported_reason = ?8, reported_onset = ?9
WHERE job = ?1 AND attempt = ?2 AND ended_ms = 0;

-- name: attempt_end
UPDATE attempt SET last_step = ?3, ended_ms = ?4, outcome = ?5, reason = ?6
WHERE job = ?1 AND attempt = ?2 AND ended_ms = 0;

-- name: checkpoint_insert
INSERT INTO checkpoint (id, job, attempt, step, bytes, digest, math_digest, health, pinned, score,
                        created_ms, deleted)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12);

-- name: checkpoint_get
SELECT id, job, attempt, step, bytes, digest, math_digest, health, pinned, score, created_ms,
       deleted
FROM checkpoint WHERE id = ?1;

-- name: checkpoint_update
UPDATE checkpoint SET health = ?2, pinned = ?3, score = ?4, deleted = ?5 WHERE id = ?1;

-- name: checkpoint_page
SELECT id, job, attempt, step, bytes, digest, math_digest, health, pinned, score, created_ms,
       deleted
FROM checkpoint WHERE job = ?1 ORDER BY step, id;

-- name: checkpoint_page_kept
SELECT id, job, attempt, step, bytes, digest, math_digest, health, pinned, score, created_ms,
       deleted
FROM checkpoint WHERE job = ?1 AND deleted = 0 ORDER BY step, id;

-- name: checkpoint_referenced
SELECT EXISTS (SELECT 1 FROM job WHERE parent_checkpoint = ?1 AND parent_checkpoint <> 0)
    OR EXISTS (SELECT 1 FROM job WHERE plan_checkpoint = ?1 AND plan_cause <> '')
    OR EXISTS (SELECT 1 FROM attempt WHERE from_checkpoint = ?1 AND ended_ms = 0);

-- name: checkpoint_ids
SELECT id FROM checkpoint WHERE deleted = 0 ORDER BY id;

-- name: event_insert
INSERT INTO event (job, attempt, time_ms, kind, text) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING seq;

-- name: event_page
SELECT seq, job, attempt, time_ms, kind, text FROM event
WHERE seq > ?1 ORDER BY seq LIMIT ?2;

-- name: event_page_job
SELECT seq, job, attempt, time_ms, kind, text FROM event
WHERE seq > ?1 AND job = ?3 ORDER BY seq LIMIT ?2;

-- name: event_newest
SELECT * FROM (
    SELECT seq, job, attempt, time_ms, kind, text FROM event
    WHERE seq > ?1 ORDER BY seq DESC LIMIT ?2)
ORDER BY seq;

-- name: event_newest_job
SELECT * FROM (
    SELECT seq, job, attempt, time_ms, kind, text FROM event
    WHERE seq > ?1 AND job = ?3 ORDER BY seq DESC LIMIT ?2)
ORDER BY seq;

-- name: reply_purge
DELETE FROM reply WHERE time_ms < ?1;

-- name: reply_insert
INSERT INTO reply (key, time_ms, bytes) VALUES (?1, ?2, ?3);

-- name: reply_get
SELECT bytes FROM reply WHERE key = ?1 AND time_ms >= ?2;

-- name: notice_insert
INSERT INTO notice (job, attempt, time_ms, event, job_state, step, total_steps, reason, ended_ms,
                    outcome)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, '')
RETURNING id;

-- name: notice_due
-- The oldest one of the first job after ?1 that has any.
SELECT id, job, attempt, time_ms, event, job_state, step, total_steps, reason FROM notice
WHERE ended_ms = 0 AND job > ?1 ORDER BY job, id LIMIT 1;

-- name: notice_end
UPDATE notice SET ended_ms = ?2, outcome = ?3 WHERE id = ?1 AND ended_ms = 0;
