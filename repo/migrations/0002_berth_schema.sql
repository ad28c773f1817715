-- What only Berth keeps, in schema berth (created, with berth.schema_migrations, by repo/migrate.c).
-- No foreign keys into the shared tables: a deleted group or session must not be held back by a log.

-- One narrow row a scaling group, changed by every commit: only a primary key, so that each update
-- stays in its page.
CREATE TABLE berth.group_state (
    scaling_group_id  uuid PRIMARY KEY,
    epoch             bigint NOT NULL DEFAULT 0 CHECK (epoch >= 0),          -- the fence of commits
    last_sequence     bigint NOT NULL DEFAULT 0 CHECK (last_sequence >= 0),  -- greatest event number
    rr_cursors        jsonb NOT NULL DEFAULT '{}',  -- architecture -> agent id chosen last
    round_id          uuid,                         -- the round that took the epoch
    round_started_at  timestamptz,                  -- the last finished round: when,
    round_us          bigint,                       -- how long (microseconds),
    round_counts      integer[]                     -- sessions by outcome, in the order of enum outcome
) WITH (fillfactor = 50);

-- The event log. type, causes and allocations are those of repo/event.h.
CREATE TABLE berth.events (
    scaling_group_id  uuid NOT NULL,
    sequence          bigint NOT NULL CHECK (sequence > 0),
    type              smallint NOT NULL,
    epoch             bigint NOT NULL,
    session_id        uuid,
    round_id          uuid,
    created_at        timestamptz NOT NULL,
    creation_id       text NOT NULL DEFAULT '',
    from_status       text NOT NULL DEFAULT '',
    to_status         text NOT NULL DEFAULT '',
    reason            text NOT NULL DEFAULT '',
    allocations       jsonb,
    causes            jsonb,
    PRIMARY KEY (scaling_group_id, sequence)
);
CREATE INDEX events_created_at ON berth.events USING brin (created_at);

-- Answers already given, by request id.
CREATE TABLE berth.requests (
    request_id  text PRIMARY KEY,
    method      text NOT NULL,
    body_hash   bytea NOT NULL CHECK (octet_length(body_hash) = 32),
    answer      bytea NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX requests_created_at ON berth.requests USING brin (created_at);

-- Grows with every change of an owner's usage or counts. owner_kind: 0 keypair, 1 user, 2 project,
-- 3 domain; owner_id: access key, uuid, uuid, name.
CREATE TABLE berth.owner_versions (
    owner_kind  smallint NOT NULL CHECK (owner_kind BETWEEN 0 AND 3),
    owner_id    text NOT NULL,
    version     bigint NOT NULL CHECK (version > 0),
    PRIMARY KEY (owner_kind, owner_id)
) WITH (fillfactor = 50);

-- What each round was, for people and for replays.
CREATE TABLE berth.rounds (
    round_id          uuid PRIMARY KEY,
    scaling_group_id  uuid NOT NULL,
    epoch             bigint NOT NULL,
    replica           text NOT NULL DEFAULT '',
    snapshot_at       timestamptz NOT NULL,  -- the snapshot's observed_at
    started_at        timestamptz NOT NULL,
    finished_at       timestamptz,
    counts            integer[] NOT NULL,    -- by outcome, in the order of enum outcome
    phases            jsonb NOT NULL DEFAULT '{}',  -- name -> microseconds
    snapshot_hash     bigint,
    plan_hash         bigint
);
CREATE INDEX rounds_started_at ON berth.rounds USING brin (started_at);
CREATE INDEX rounds_group ON berth.rounds (scaling_group_id, epoch);
