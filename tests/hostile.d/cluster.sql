-- A scaling group for each case, with owners of its own, so that one database holds all cases at once.
--   t.hostile()     takes away every NOT NULL, CHECK, foreign key and unique index (keys stay)
--   t.world(i)      group h<i> with agents a<i> and b<i> (8 cpu, 16 GiB each) and two sessions that wait,
--                   1 cpu and 1 GiB each: bad<i>, the older one, of key B<i>, and good<i>, of key G<i>
--   t.session(...)  one more session;  t.id(name)  the uuid of everything called that
CREATE SCHEMA t;
CREATE FUNCTION t.id(text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT md5($1)::uuid $$;

CREATE FUNCTION t.hostile() RETURNS void LANGUAGE plpgsql AS $$
DECLARE r record;
BEGIN
    FOR r IN SELECT conrelid::regclass AS rel, conname FROM pg_constraint
              WHERE contype IN ('c', 'f') AND connamespace = 'public'::regnamespace LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', r.rel, r.conname);
    END LOOP;
    FOR r IN SELECT a.attrelid::regclass AS rel, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
              WHERE c.relkind = 'r' AND a.attnum > 0 AND a.attnotnull AND c.relnamespace = 'public'::regnamespace
                AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary
                                   AND a.attnum = ANY (i.indkey)) LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', r.rel, r.attname);
    END LOOP;
    FOR r IN SELECT c.oid::regclass AS index FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
              WHERE i.indisunique AND NOT i.indisprimary AND c.relnamespace = 'public'::regnamespace
                AND NOT EXISTS (SELECT 1 FROM pg_constraint o WHERE o.conindid = c.oid) LOOP
        EXECUTE format('DROP INDEX %s', r.index);
    END LOOP;
END $$;

CREATE FUNCTION t.agent(agent text, grp text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO agents (id, status, region, scaling_group, resource_group_id, available_slots, occupied_slots, addr,
        version, architecture, compute_plugins)
    SELECT $1, 'ALIVE', 'r', g.name, g.id, '{}', '{}', 'tcp://' || $1 || ':6001', '1', 'x86_64', '{}'
      FROM scaling_groups g WHERE g.name = $2;
    INSERT INTO agent_resources (agent_id, slot_name, capacity) VALUES ($1, 'cpu', 8), ($1, 'mem', 17179869184);
$$;

CREATE FUNCTION t.session(name text, i int, key text, created timestamptz) RETURNS void LANGUAGE sql AS $$
    INSERT INTO sessions (id, creation_id, name, session_type, priority, cluster_mode, cluster_size, options,
        scaling_group_name, resource_group_id, domain_name, domain_id, group_id, user_uuid, access_key,
        occupying_slots, requested_slots, use_host_network, status_history, created_at)
    SELECT t.id($1), 'c-' || $1, $1, 'INTERACTIVE', 10, 'single-node', 1, '{}', g.name, g.id, 'd' || $2,
           t.id('d' || $2), t.id('p' || $2), t.id('u' || $3), $3, '{}', '{}', false, '{}', $4
      FROM scaling_groups g WHERE g.name = 'h' || $2;
    INSERT INTO kernels (id, session_id, session_type, cluster_size, cluster_role, cluster_idx, local_rank,
        cluster_hostname, scaling_group, resource_group_id, domain_name, group_id, user_uuid, access_key,
        architecture, occupied_slots, requested_slots, occupied_shares, repl_in_port, repl_out_port, stdin_port,
        stdout_port, use_host_network)
    SELECT t.id($1 || '/1'), s.id, s.session_type, 1, 'main', 1, 0, 'h1', s.scaling_group_name, s.resource_group_id,
           s.domain_name, s.group_id, s.user_uuid, s.access_key, 'x86_64', '{}',
           '{"cpu": "1", "mem": "1073741824"}', '{}', 0, 0, 0, 0, false
      FROM sessions s WHERE s.id = t.id($1);
    INSERT INTO resource_allocations (kernel_id, slot_name, requested)
    VALUES (t.id($1 || '/1'), 'cpu', 1), (t.id($1 || '/1'), 'mem', 1073741824);
$$;

CREATE FUNCTION t.owner(key text, i int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO keypair_resource_policies (name, default_for_unspecified, total_resource_slots,
        max_concurrent_sessions, max_concurrent_sftp_sessions, max_containers_per_session, idle_timeout,
        allowed_vfolder_hosts) VALUES ('policy' || $1, 'UNLIMITED', '{}', 0, 0, 100, 0, '{}');
    INSERT INTO users (uuid, email, username, status, resource_policy, sudo_session_enabled, domain_name,
        main_access_key)
    VALUES (t.id('u' || $1), $1, $1, 'active', 'up', false, 'd' || $2, $1);
    INSERT INTO keypairs (access_key, "user", resource_policy, dotfiles, bootstrap_script)
    VALUES ($1, t.id('u' || $1), 'policy' || $1, '\x90', '');
$$;

CREATE FUNCTION t.world(i int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO domains (name, id, is_active, total_resource_slots, allowed_vfolder_hosts,
        allowed_docker_registries, dotfiles) VALUES ('d' || $1, t.id('d' || $1), true, '{}', '{}', '{}', '\x90');
    INSERT INTO groups (id, name, domain_name, total_resource_slots, allowed_vfolder_hosts, dotfiles,
        resource_policy, type) VALUES (t.id('p' || $1), 'p' || $1, 'd' || $1, '{}', '{}', '\x90', 'pp', 'general');
    SELECT t.owner('B' || $1, $1), t.owner('G' || $1, $1);
    INSERT INTO scaling_groups (name, id, is_active, driver, driver_opts, scheduler, use_host_network,
        scheduler_opts, default_session_options, default_deployment_options)
    VALUES ('h' || $1, t.id('h' || $1), true, 'static', '{}', 'fifo', false, '{}', '{}', '{}');
    SELECT t.agent('a' || $1, 'h' || $1), t.agent('b' || $1, 'h' || $1);
    SELECT t.session('bad' || $1, $1, 'B' || $1, now() - interval '2 hours'),
           t.session('good' || $1, $1, 'G' || $1, now() - interval '1 hour');
$$;

INSERT INTO user_resource_policies (name, max_vfolder_count, max_quota_scope_size,
    max_session_count_per_model_session, max_customized_image_count) VALUES ('up', 0, 0, 0, 0);
INSERT INTO project_resource_policies (name, max_vfolder_count, max_quota_scope_size, max_network_count)
VALUES ('pp', 0, 0, 0);
SELECT t.hostile();
