-- Up to which event an older manager was told what happened, by group. The row of the all-zero uuid
-- says that this began at some time: a group without a row is then told from its first event on.
CREATE TABLE berth.manager_bridge (
    scaling_group_id  uuid PRIMARY KEY,
    sequence          bigint NOT NULL CHECK (sequence >= 0)
) WITH (fillfactor = 50);
