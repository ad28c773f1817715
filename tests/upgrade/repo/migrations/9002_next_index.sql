-- An index, and a column of a shared table, as a newer manager adds them.
ALTER TABLE sessions ADD COLUMN next_label text NOT NULL DEFAULT '';
CREATE INDEX ix_next_sessions_label ON sessions (next_label) WHERE next_label <> '';
