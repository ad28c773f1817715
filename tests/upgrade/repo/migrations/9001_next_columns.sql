-- Columns that an INSERT may leave out, in every table that rounds write, and a table.
ALTER TABLE berth.group_state ADD COLUMN next_note text NOT NULL DEFAULT '';
ALTER TABLE berth.events ADD COLUMN next_trace text;
ALTER TABLE berth.rounds ADD COLUMN next_cost bigint NOT NULL DEFAULT 0;
ALTER TABLE berth.requests ADD COLUMN next_caller text NOT NULL DEFAULT '';
ALTER TABLE berth.owner_versions ADD COLUMN next_seen timestamptz;
CREATE TABLE berth.next_things (id bigint PRIMARY KEY, thing text NOT NULL);
