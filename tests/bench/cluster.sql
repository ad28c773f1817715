-- A cluster and a queue of any size. psql variables:
--   sessions, agents   how many
--   shapes             different requests among the sessions
--   owners             access keys, each with a user
--   kernels            of a session; more than 1: multi-node
--   fill               how much of every agent a running session holds from the start, 0 to 1
-- Agents have 64 cpu, 512 GiB and 8 GPUs of 1 share. Requests are small beside that, so that with
-- sessions <= 60 x agents and fill 0 everything fits. Rows lie in the order in which a queue would
-- have got them, at every size.
INSERT INTO user_resource_policies (name, max_vfolder_count, max_quota_scope_size,
    max_session_count_per_model_session, max_customized_image_count) VALUES ('default', 0, -1, 10, 3);
INSERT INTO project_resource_policies (name, max_vfolder_count, max_quota_scope_size,
    max_network_count) VALUES ('default', 0, -1, 3);
INSERT INTO keypair_resource_policies (name, default_for_unspecified, total_resource_slots,
    max_concurrent_sessions, max_concurrent_sftp_sessions, max_containers_per_session, idle_timeout,
    allowed_vfolder_hosts)
VALUES ('default', 'UNLIMITED', '{"cpu": "10000000"}', 0, 0, 0, 0, '{}');
INSERT INTO domains (name, total_resource_slots, is_active, allowed_vfolder_hosts,
    allowed_docker_registries, dotfiles) VALUES ('default', '{}', true, '{}', '{}', '\x90');
INSERT INTO groups (id, name, domain_name, total_resource_slots, allowed_vfolder_hosts, dotfiles,
    resource_policy, type)
VALUES (uuid_generate_v4(), 'project', 'default', '{"cpu": "100000000"}', '{}', '\x90', 'default', 'general');
INSERT INTO users (uuid, email, username, status, resource_policy, sudo_session_enabled, domain_name)
SELECT uuid_generate_v4(), 'user' || i || '@cluster.test', 'user' || i, 'active', 'default', false, 'default'
  FROM generate_series(1, :owners) i;
INSERT INTO keypairs (access_key, "user", resource_policy, dotfiles, bootstrap_script)
SELECT 'KEY' || substr(username, 5), uuid, 'default', '\x90', '' FROM users;
UPDATE users SET main_access_key = 'KEY' || substr(username, 5);
INSERT INTO scaling_groups (name, scheduler, driver, driver_opts, scheduler_opts, use_host_network,
    default_session_options, default_deployment_options)
VALUES ('bench', 'fifo', 'static', '{}', '{"agent_selection_strategy": "concentrated"}', false, '{}', '{}');
INSERT INTO agents (id, status, resource_group_id, scaling_group, addr, architecture, region,
    available_slots, occupied_slots, version, compute_plugins)
SELECT 'agent' || lpad(i::text, 6, '0'), 'ALIVE', g.id, g.name, 'tcp://10.0.0.1:6001', 'x86_64', 'r',
       '{}', '{}', '26', '{}'
  FROM scaling_groups g, generate_series(1, :agents) i;
INSERT INTO agent_resources (agent_id, slot_name, capacity, used)
SELECT a.id, s.name, s.capacity, trunc(s.capacity * :fill) FROM agents a,
       (VALUES ('cpu', 64), ('mem', 549755813888), ('cuda.shares', 8)) s (name, capacity);

-- The sessions: first those that run, one an agent, then those that wait.
CREATE TEMP TABLE wanted AS
SELECT i, uuid_generate_v4() AS id, k.access_key, k."user", NULL::text AS agent, :kernels AS kernels,
       1 AS cpu, (1 + i % :shapes) * 16777216::numeric AS mem, 0 AS gpu
  FROM generate_series(1, :sessions) i
  JOIN (SELECT access_key, "user", row_number() OVER (ORDER BY access_key) - 1 AS n FROM keypairs) k
    ON k.n = i % :owners;
INSERT INTO wanted
SELECT -row_number() OVER (), uuid_generate_v4(), k.access_key, k."user", a.id, 1,
       trunc(64 * :fill), trunc(549755813888 * :fill), trunc(8 * :fill)
  FROM agents a, (SELECT access_key, "user" FROM keypairs LIMIT 1) k WHERE :fill > 0;
INSERT INTO sessions (id, creation_id, name, session_type, priority, cluster_mode, cluster_size,
    access_key, user_uuid, group_id, domain_id, domain_name, resource_group_id, scaling_group_name, created_at,
    status, status_history, occupying_slots, requested_slots, options, use_host_network, agent_ids)
SELECT w.id, left(w.id::text, 22), 'session' || i, 'BATCH', 10,
       CASE WHEN kernels = 1 THEN 'single-node' ELSE 'multi-node' END, kernels,
       access_key, w."user", p.id, d.id, d.name, g.id, g.name, now() - interval '1 hour' + i * interval '1 millisecond',
       CASE WHEN agent IS NULL THEN 'PENDING' ELSE 'RUNNING' END, jsonb_build_object('PENDING', now()),
       '{}', '{}', '{}', false, ARRAY[agent]::varchar[]
  FROM wanted w, scaling_groups g, groups p, domains d
 ORDER BY w.i;
INSERT INTO kernels (id, session_id, session_type, resource_group_id, scaling_group, access_key, user_uuid,
    group_id, domain_name, architecture, cluster_mode, cluster_size, cluster_role, cluster_idx, local_rank,
    cluster_hostname, status, status_history, occupied_slots, requested_slots, occupied_shares,
    repl_in_port, repl_out_port, stdin_port, stdout_port, use_host_network, agent)
SELECT uuid_generate_v4(), w.id, 'BATCH', g.id, g.name, access_key, w."user", p.id, 'default', 'x86_64',
       CASE WHEN kernels = 1 THEN 'single-node' ELSE 'multi-node' END, kernels,
       CASE WHEN k = 1 THEN 'main' ELSE 'sub' END, greatest(k - 1, 1), k - 1, 'host' || k,
       CASE WHEN agent IS NULL THEN 'PENDING' ELSE 'RUNNING' END, jsonb_build_object('PENDING', now()),
       '{}', jsonb_build_object('cpu', cpu::text, 'mem', mem::text), '{}', 0, 0, 0, 0, false, agent
  FROM wanted w, scaling_groups g, groups p, generate_series(1, kernels) k
 ORDER BY w.i, k;
INSERT INTO resource_allocations (kernel_id, slot_name, requested, used, used_at)
SELECT k.id, s.name, s.amount, CASE WHEN w.agent IS NOT NULL THEN s.amount END,
       CASE WHEN w.agent IS NOT NULL THEN now() END
  FROM kernels k JOIN wanted w ON w.id = k.session_id,
       LATERAL (VALUES ('cpu', w.cpu::numeric), ('mem', w.mem), ('cuda.shares', w.gpu)) s (name, amount)
 WHERE s.amount > 0
 ORDER BY w.i, k.cluster_idx, k.local_rank, s.name;
