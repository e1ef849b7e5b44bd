-- What the divergence detector looks at and says, beside the first figures.
ALTER TABLE metric ADD COLUMN data_mean REAL;
ALTER TABLE metric ADD COLUMN data_std REAL;
ALTER TABLE metric ADD COLUMN energy_rms REAL;
ALTER TABLE metric ADD COLUMN fresh_gap REAL;
ALTER TABLE metric ADD COLUMN langevin_low REAL;
ALTER TABLE metric ADD COLUMN langevin_high REAL;
ALTER TABLE metric ADD COLUMN replaced REAL;
ALTER TABLE metric ADD COLUMN suspicion REAL;

PRAGMA user_version = 2;
