-- The database roles Berth runs under, each with what its statements need and no more.
--
--   psql -v ON_ERROR_STOP=1 -d DATABASE -f deploy/sql/roles.sql
--
-- Run it as the owner of the manager's tables or as superuser, before `berthd migrate` (for
-- berth_owner) and again after each (for what the others may do with new tables). It can be run any
-- number of times: what a role has beyond this list, in the schemas berth and public, is taken away.
--
--   berth_owner   berthd migrate: owns the schema berth
--   berth_writer  berthd (setting database): rounds, cancels, the event log, repair
--   berth_reader  berthd (setting preview_database): reads, in read-only transactions
--
-- The roles may log in once they have a password (\password berth_writer) or a line of pg_hba.conf.
-- Of the manager's tables they see single columns: no password, secret key or environment.
-- tests/roles checks this list against the statements that are in berthd.

\set ON_ERROR_STOP on
BEGIN;
SELECT pg_advisory_xact_lock(hashtext('berth roles'));  -- two at a time would meet on one row

DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['berth_owner', 'berth_writer', 'berth_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', role);
        END IF;
        EXECUTE format('ALTER ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', role);
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), role);
    END LOOP;
    EXECUTE format('GRANT CREATE ON DATABASE %I TO berth_owner', current_database());
END $$;

ALTER ROLE berth_reader SET default_transaction_read_only = on;
GRANT USAGE, CREATE ON SCHEMA public TO berth_owner;  -- CREATE: the tables of a database of Berth's own
GRANT USAGE ON SCHEMA public TO berth_writer, berth_reader;
REVOKE CREATE ON SCHEMA public FROM berth_writer, berth_reader;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM berth_writer, berth_reader;

-- One row a table and right: the columns, or * for a whole table, as all of Berth's own are. Columns that a manager's version
-- does not have are left out: berthd migrate --adopt has checked those that must be there. xmin tells which rows have changed.
CREATE TEMPORARY TABLE berth_grants (role text, relation text, privilege text, columns text) ON COMMIT DROP;
INSERT INTO berth_grants VALUES
    ('berth_writer', 'berth.events', 'SELECT', '*'),
    ('berth_writer', 'berth.events', 'INSERT', '*'),
    ('berth_writer', 'berth.events', 'DELETE', '*'),  -- old ones
    ('berth_writer', 'berth.group_state', 'SELECT', '*'),
    ('berth_writer', 'berth.group_state', 'INSERT', '*'),
    ('berth_writer', 'berth.group_state', 'UPDATE', '*'),
    ('berth_writer', 'berth.manager_bridge', 'SELECT', '*'),
    ('berth_writer', 'berth.manager_bridge', 'INSERT', '*'),
    ('berth_writer', 'berth.manager_bridge', 'UPDATE', '*'),
    ('berth_writer', 'berth.owner_versions', 'SELECT', '*'),
    ('berth_writer', 'berth.owner_versions', 'INSERT', '*'),
    ('berth_writer', 'berth.owner_versions', 'UPDATE', '*'),
    ('berth_writer', 'berth.requests', 'SELECT', '*'),
    ('berth_writer', 'berth.requests', 'INSERT', '*'),
    ('berth_writer', 'berth.requests', 'DELETE', '*'),  -- old ones
    ('berth_writer', 'berth.rounds', 'SELECT', '*'),
    ('berth_writer', 'berth.rounds', 'INSERT', '*'),
    ('berth_writer', 'berth.rounds', 'DELETE', '*'),  -- old ones
    ('berth_writer', 'berth.schema_migrations', 'SELECT', '*'),
    ('berth_writer', 'agent_resources', 'SELECT', 'xmin, agent_id, slot_name, capacity, reserved, prereserved, used'),
    ('berth_writer', 'agent_resources', 'UPDATE', 'reserved, prereserved, used, updated_at'),
    ('berth_writer', 'agents', 'SELECT', 'xmin, id, status, resource_group_id, schedulable, addr, architecture'),
    ('berth_writer', 'agents', 'UPDATE', 'version'),  -- none is changed; to lock a row takes the right to one column
    ('berth_writer', 'domains', 'SELECT', 'name, total_resource_slots'),
    ('berth_writer', 'groups', 'SELECT', 'id, name, domain_name, total_resource_slots'),
    ('berth_writer', 'kernels', 'SELECT', 'xmin, id, session_id, session_type, cluster_role, cluster_idx, resource_group_id, agent, agent_addr, domain_name, group_id, user_uuid, access_key, architecture, requested_slots, status, status_changed, status_data, status_history'),
    ('berth_writer', 'kernels', 'UPDATE', 'agent, agent_addr, container_id, terminated_at, status, status_changed, status_info, status_data, status_history'),
    ('berth_writer', 'keypair_resource_policies', 'SELECT', 'name, default_for_unspecified, total_resource_slots, max_concurrent_sessions, max_pending_session_count, max_pending_session_resource_slots, max_concurrent_sftp_sessions'),
    ('berth_writer', 'keypairs', 'SELECT', 'access_key, user, resource_policy'),
    ('berth_writer', 'resource_allocations', 'SELECT', 'xmin, kernel_id, slot_name, requested, prereserved, reserved, used, prereserved_at, reserved_at, used_at, free_at'),
    ('berth_writer', 'resource_allocations', 'UPDATE', 'prereserved, reserved, used, prereserved_at, reserved_at, used_at, free_at'),
    ('berth_writer', 'resource_slot_types', 'SELECT', 'slot_name, slot_type, enabled, rank'),
    ('berth_writer', 'scaling_groups', 'SELECT', 'name, id, is_active, scheduler, scheduler_opts'),
    ('berth_writer', 'session_dependencies', 'SELECT', '*'),
    ('berth_writer', 'session_groups', 'SELECT', 'id, placement_direction, placement_enforcement, deleted_at'),
    ('berth_writer', 'session_scheduling_history', 'SELECT', 'id, session_id, phase, to_status, result, error_code, message, sub_steps, attempts, created_at, updated_at'),
    ('berth_writer', 'session_scheduling_history', 'INSERT', '*'),
    ('berth_writer', 'session_scheduling_history', 'UPDATE', 'message, sub_steps, attempts, updated_at'),
    ('berth_writer', 'sessions', 'SELECT', 'xmin, id, creation_id, name, session_type, priority, cluster_mode, options, designated_agent_ids, session_group_id, resource_group_id, domain_name, group_id, user_uuid, access_key, created_at, terminated_at, requested_starts_at, status, status_data, status_history, result'),
    ('berth_writer', 'sessions', 'UPDATE', 'agent_ids, terminated_at, status, status_info, status_data, status_history'),
    ('berth_writer', 'users', 'SELECT', 'uuid, main_access_key'),

    ('berth_reader', 'berth.events', 'SELECT', '*'),
    ('berth_reader', 'berth.group_state', 'SELECT', '*'),
    ('berth_reader', 'berth.owner_versions', 'SELECT', '*'),
    ('berth_reader', 'berth.rounds', 'SELECT', '*'),
    ('berth_reader', 'berth.schema_migrations', 'SELECT', '*'),
    ('berth_reader', 'agent_resources', 'SELECT', 'agent_id, slot_name, capacity, reserved, prereserved, used'),
    ('berth_reader', 'agents', 'SELECT', 'id, status, resource_group_id, schedulable, addr, architecture'),
    ('berth_reader', 'domains', 'SELECT', 'name, total_resource_slots'),
    ('berth_reader', 'groups', 'SELECT', 'id, name, domain_name, total_resource_slots'),
    ('berth_reader', 'kernels', 'SELECT', 'id, session_id, session_type, cluster_role, cluster_idx, resource_group_id, agent, domain_name, group_id, user_uuid, access_key, architecture, requested_slots, status'),
    ('berth_reader', 'keypair_resource_policies', 'SELECT', 'name, default_for_unspecified, total_resource_slots, max_concurrent_sessions, max_pending_session_count, max_pending_session_resource_slots, max_concurrent_sftp_sessions'),
    ('berth_reader', 'keypairs', 'SELECT', 'access_key, user, resource_policy'),
    ('berth_reader', 'resource_allocations', 'SELECT', 'kernel_id, slot_name, requested, used, reserved_at, used_at, free_at'),
    ('berth_reader', 'resource_slot_types', 'SELECT', 'slot_name, slot_type, enabled, rank'),
    ('berth_reader', 'scaling_groups', 'SELECT', 'name, id, is_active, scheduler, scheduler_opts'),
    ('berth_reader', 'session_dependencies', 'SELECT', '*'),
    ('berth_reader', 'session_groups', 'SELECT', 'id, placement_direction, placement_enforcement, deleted_at'),
    ('berth_reader', 'sessions', 'SELECT', 'id, creation_id, name, session_type, priority, cluster_mode, options, designated_agent_ids, session_group_id, resource_group_id, domain_name, group_id, user_uuid, access_key, created_at, requested_starts_at, status, status_data, status_history, result'),
    ('berth_reader', 'users', 'SELECT', 'uuid, main_access_key');

DO $$
DECLARE
    g record;
    present text;
BEGIN
    IF to_regclass('berth.schema_migrations') IS NULL OR to_regclass('sessions') IS NULL THEN
        RAISE NOTICE 'The tables are not there yet: run berthd migrate as berth_owner, then this again.';
        RETURN;
    END IF;
    GRANT USAGE ON SCHEMA berth TO berth_writer, berth_reader;
    REVOKE ALL ON ALL TABLES IN SCHEMA berth FROM berth_writer, berth_reader;
    FOR g IN SELECT role, to_regclass(relation) AS relation, privilege, columns FROM berth_grants LOOP
        CONTINUE WHEN g.relation IS NULL;  -- of a later version of either program
        IF g.columns = '*' THEN
            EXECUTE format('GRANT %s ON %s TO %I', g.privilege, g.relation, g.role);
            CONTINUE;
        END IF;
        SELECT string_agg(quote_ident(a.attname), ', ') INTO present
        FROM pg_attribute a
        WHERE a.attrelid = g.relation AND NOT a.attisdropped
            AND a.attname = ANY (string_to_array(g.columns, ', '));
        IF present IS NOT NULL THEN
            EXECUTE format('GRANT %s (%s) ON %s TO %I', g.privilege, present, g.relation, g.role);
        END IF;
    END LOOP;
END $$;
COMMIT;
