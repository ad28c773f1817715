-- How often every waiting session of the group whose record of a failure was not written anew has
-- failed again (repo/failure_record.h).
ALTER TABLE berth.group_state ADD COLUMN failure_rounds bigint NOT NULL DEFAULT 0;
