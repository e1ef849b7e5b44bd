-- Of an attempt that diverged: the first step that is not trusted.
ALTER TABLE attempt ADD COLUMN reported_onset INTEGER NOT NULL DEFAULT 0;

PRAGMA user_version = 2;
