-- Answers are removed by age, the oldest first. Rows removed leave room for new ones anywhere in the
-- table, so a BRIN index would soon tell nothing.
DROP INDEX berth.requests_created_at;
CREATE INDEX requests_created_at ON berth.requests (created_at);
