-- How the shared tables lie on disk where Berth owns them. Every index on sessions and kernels is
-- paid for by each scheduled session, so there are few, and the columns that change while a session
-- waits (status_info, status_data, history's attempts) are in none: with room left in the pages
-- those updates stay in place.
ALTER TABLE agent_resources SET (fillfactor = 50);
ALTER TABLE sessions SET (fillfactor = 70);
ALTER TABLE kernels SET (fillfactor = 70);
ALTER TABLE resource_allocations SET (fillfactor = 70);
ALTER TABLE session_scheduling_history SET (fillfactor = 80);

-- The queue, in the order it is read.
CREATE INDEX ix_berth_sessions_pending
    ON sessions (resource_group_id, priority DESC, created_at, id) WHERE status = 'PENDING';
-- Live sessions of a group and of an access key.
CREATE INDEX ix_berth_sessions_rg_status ON sessions (resource_group_id, status)
    WHERE status NOT IN ('TERMINATED', 'CANCELLED', 'ERROR');
CREATE INDEX ix_berth_sessions_key_active ON sessions (access_key, status)
    WHERE status NOT IN ('TERMINATED', 'CANCELLED', 'ERROR');
CREATE INDEX ix_berth_sessions_group ON sessions (session_group_id)
    WHERE session_group_id IS NOT NULL;
CREATE UNIQUE INDEX ix_sessions_unique_name_per_user_nonterminal ON sessions (name, user_uuid)
    WHERE status NOT IN ('ERROR', 'TERMINATED', 'CANCELLED');

CREATE INDEX ix_kernels_session_id ON kernels (session_id);
-- Live kernels of a group, and on an agent.
CREATE INDEX ix_berth_kernels_rg_status ON kernels (resource_group_id, status)
    WHERE status NOT IN ('TERMINATED', 'CANCELLED', 'ERROR');
CREATE INDEX ix_berth_kernels_agent_holding ON kernels (agent, status)
    WHERE agent IS NOT NULL AND status NOT IN ('TERMINATED', 'CANCELLED', 'ERROR');

-- What is held now, apart from the long history of what was.
CREATE INDEX ix_ra_occupied ON resource_allocations (kernel_id, slot_name) WHERE free_at IS NULL;

-- The latest history row of a session.
CREATE INDEX ix_berth_ssh_latest ON session_scheduling_history (session_id, created_at DESC, id);

-- What must hold of the rows. A Manager's database goes without: some of it breaks the Manager.
ALTER TABLE agent_resources
    ADD CONSTRAINT ck_berth_agent_resources_capacity CHECK (capacity >= 0 AND capacity <> 'NaN'),
    ADD CONSTRAINT ck_berth_agent_resources_reserved CHECK (reserved >= 0 AND reserved <> 'NaN'),
    ADD CONSTRAINT ck_berth_agent_resources_prereserved
        CHECK (prereserved >= 0 AND prereserved <> 'NaN'),
    ADD CONSTRAINT ck_berth_agent_resources_used CHECK (used >= 0 AND used <> 'NaN');
ALTER TABLE resource_allocations
    ADD CONSTRAINT ck_berth_ra_requested CHECK (requested >= 0 AND requested <> 'NaN'),
    ADD CONSTRAINT ck_berth_ra_reserved CHECK (reserved >= 0 AND reserved <> 'NaN'),
    ADD CONSTRAINT ck_berth_ra_prereserved CHECK (prereserved >= 0 AND prereserved <> 'NaN'),
    ADD CONSTRAINT ck_berth_ra_used CHECK (used >= 0 AND used <> 'NaN');
ALTER TABLE session_dependencies
    ADD CONSTRAINT ck_berth_session_dependencies_other CHECK (session_id <> depends_on);
ALTER TABLE sessions
    ADD CONSTRAINT ck_berth_sessions_cluster_size CHECK (cluster_size >= 1),
    ADD CONSTRAINT ck_berth_sessions_priority CHECK (priority BETWEEN 0 AND 100),
    ADD CONSTRAINT ck_berth_sessions_status CHECK (status IN (
        'PENDING', 'DEPRIORITIZING', 'RESERVED', 'SCHEDULED', 'PREPARING', 'PULLING', 'PREPARED',
        'CREATING', 'RUNNING', 'RESTARTING', 'RUNNING_DEGRADED', 'PREEMPTED', 'RESCHEDULING',
        'TERMINATING', 'TERMINATED', 'ERROR', 'CANCELLED'));
ALTER TABLE kernels
    ADD CONSTRAINT ck_berth_kernels_status CHECK (status IN (
        'PENDING', 'RESERVED', 'SCHEDULED', 'PREPARING', 'BUILDING', 'PULLING', 'PREPARED',
        'CREATING', 'RUNNING', 'RESTARTING', 'RESIZING', 'SUSPENDED', 'TERMINATING', 'TERMINATED',
        'ERROR', 'CANCELLED'));
ALTER TABLE session_scheduling_history
    ADD CONSTRAINT ck_berth_ssh_attempts CHECK (attempts >= 1);
