-- name: metrics_pragmas
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA cache_size = -8192;
PRAGMA journal_size_limit = 16777216;

-- name: metric_insert
INSERT INTO metric (job, attempt, seq, step, time_ms, loss, energy_data, energy_sample, energy_gap,
                    langevin_grad, param_grad, sample_mean, sample_std, saturation, step_seconds,
                    chain_steps_per_second, data_mean, data_std, energy_rms, fresh_gap,
                    langevin_low, langevin_high, replaced, suspicion)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
        ?21, ?22, ?23, ?24)
ON CONFLICT DO NOTHING;

-- name: metric_have
SELECT seq FROM metric WHERE job = ?1 AND attempt = ?2 ORDER BY seq DESC LIMIT 1;

-- name: metric_next_attempt
SELECT attempt FROM metric WHERE job = ?1 AND attempt >= ?2 ORDER BY attempt LIMIT 1;

-- name: metric_page
-- The inner query jumps to the first row of the step; without it a late
-- ?4 would walk over the whole attempt.
SELECT seq, attempt, step, time_ms, loss, energy_data, energy_sample, energy_gap, langevin_grad,
       param_grad, sample_mean, sample_std, saturation, step_seconds, chain_steps_per_second,
       data_mean, data_std, energy_rms, fresh_gap, langevin_low, langevin_high, replaced, suspicion
FROM metric
WHERE job = ?1 AND attempt = ?2 AND step >= ?4
  AND seq >= max(?3, (SELECT f.seq FROM metric AS f INDEXED BY metric_by_step
                      WHERE f.job = ?1 AND f.attempt = ?2 AND f.step >= ?4
                      ORDER BY f.step LIMIT 1))
ORDER BY seq LIMIT ?5;

-- name: metric_newest
SELECT * FROM (
    SELECT seq, attempt, step, time_ms, loss, energy_data, energy_sample, energy_gap, langevin_grad,
           param_grad, sample_mean, sample_std, saturation, step_seconds, chain_steps_per_second,
           data_mean, data_std, energy_rms, fresh_gap, langevin_low, langevin_high, replaced, suspicion
    FROM metric WHERE job = ?1 AND step >= ?2 AND (attempt, seq) > (?3, ?4)
    ORDER BY attempt DESC, seq DESC LIMIT ?5)
ORDER BY attempt, seq;

-- name: metric_newest_attempt
SELECT * FROM (
    SELECT seq, attempt, step, time_ms, loss, energy_data, energy_sample, energy_gap, langevin_grad,
           param_grad, sample_mean, sample_std, saturation, step_seconds, chain_steps_per_second,
           data_mean, data_std, energy_rms, fresh_gap, langevin_low, langevin_high, replaced, suspicion
    FROM metric WHERE job = ?1 AND attempt = ?6 AND step >= ?2 AND (attempt, seq) > (?3, ?4)
    ORDER BY seq DESC LIMIT ?5)
ORDER BY seq;

-- name: picture_insert
INSERT INTO picture (job, attempt, step, png) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING;

-- name: picture_newest
SELECT step, png FROM picture WHERE job = ?1 ORDER BY attempt DESC, step DESC LIMIT 1;

-- name: picture_of_step
SELECT step, png FROM picture WHERE job = ?1 AND step = ?3 AND (attempt = ?2 OR ?2 = 0)
ORDER BY attempt DESC LIMIT 1;

-- name: picture_nearest
SELECT step FROM picture WHERE job = ?1 ORDER BY abs(step - ?2), attempt DESC LIMIT 1;

-- name: picture_ids
SELECT id, step FROM picture WHERE job = ?1 ORDER BY attempt DESC, step DESC;

-- name: picture_delete
DELETE FROM picture WHERE id = ?1;
