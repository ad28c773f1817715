-- When the last session ended is asked for every two seconds. A Manager's database has an index on
-- that column; here only rows that are over are in it, so neither a new session nor a round pays.
CREATE INDEX ix_berth_sessions_ended ON sessions (terminated_at) WHERE terminated_at IS NOT NULL;
