-- The health of a group as its log last told it, so that any replica can tell a change from news
-- that is old.
ALTER TABLE berth.group_state
    ADD COLUMN health smallint NOT NULL DEFAULT 1 CHECK (health BETWEEN 1 AND 3),  -- enum group_health
    ADD COLUMN health_reason text NOT NULL DEFAULT '';
