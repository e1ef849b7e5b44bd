-- Metric rows and pictures. NULL stands for NaN; infinities are kept as such.
PRAGMA application_id = 0x45424d4d;

CREATE TABLE metric (
    job                    INTEGER NOT NULL,
    attempt                INTEGER NOT NULL,
    seq                    INTEGER NOT NULL,
    step                   INTEGER NOT NULL,
    time_ms                INTEGER NOT NULL,
    loss                   REAL,
    energy_data            REAL,
    energy_sample          REAL,
    energy_gap             REAL,
    langevin_grad          REAL,
    param_grad             REAL,
    sample_mean            REAL,
    sample_std             REAL,
    saturation             REAL,
    step_seconds           REAL,
    chain_steps_per_second REAL,
    PRIMARY KEY (job, attempt, seq)
) STRICT, WITHOUT ROWID;

-- Finds the first row of a step; within an attempt steps rise with seq.
CREATE INDEX metric_by_step ON metric (job, attempt, step);

CREATE TABLE picture (
    id      INTEGER PRIMARY KEY,
    job     INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    step    INTEGER NOT NULL,
    png     BLOB NOT NULL,
    UNIQUE (job, attempt, step)
) STRICT;

PRAGMA user_version = 1;
