-- Three small groups that share their owners, so that quotas bind across groups. audit.sql watches them.
INSERT INTO user_resource_policies (name, max_vfolder_count, max_quota_scope_size,
    max_session_count_per_model_session, max_customized_image_count) VALUES ('default', 0, -1, 10, 3);
INSERT INTO project_resource_policies (name, max_vfolder_count, max_quota_scope_size,
    max_network_count) VALUES ('default', 0, -1, 3);
INSERT INTO keypair_resource_policies (name, default_for_unspecified, total_resource_slots,
    max_concurrent_sessions, max_concurrent_sftp_sessions, max_containers_per_session, idle_timeout,
    allowed_vfolder_hosts)
VALUES ('small', 'UNLIMITED', '{"cpu": "24"}', 9, 2, 64, 0, '{}'),
       ('large', 'UNLIMITED', '{"cpu": "60"}', 30, 2, 64, 0, '{}');
INSERT INTO domains (name, total_resource_slots, is_active, allowed_vfolder_hosts,
    allowed_docker_registries, dotfiles) VALUES ('default', '{"cpu": "150"}', true, '{}', '{}', '\x90');
INSERT INTO groups (id, name, domain_name, total_resource_slots, allowed_vfolder_hosts, dotfiles,
    resource_policy, type)
SELECT uuid_generate_v4(), 'project' || i, 'default', '{"cpu": "80"}', '{}', '\x90', 'default', 'general'
  FROM generate_series(1, 2) i;
INSERT INTO users (uuid, email, username, status, resource_policy, sudo_session_enabled, domain_name)
SELECT uuid_generate_v4(), 'user' || i || '@cluster.test', 'user' || i, 'active', 'default', false, 'default'
  FROM generate_series(1, 4) i;
INSERT INTO keypairs (access_key, "user", resource_policy, dotfiles, bootstrap_script)
SELECT 'KEY' || right(username, 1), uuid, CASE WHEN username < 'user3' THEN 'small' ELSE 'large' END, '\x90', ''
  FROM users;
UPDATE users SET main_access_key = 'KEY' || right(username, 1);
INSERT INTO scaling_groups (name, scheduler, driver, driver_opts, scheduler_opts, use_host_network,
    default_session_options, default_deployment_options)
SELECT 'group' || i, (ARRAY['fifo', 'drf', 'lifo'])[i], 'static', '{}',
       json_build_object('agent_selection_strategy', (ARRAY['concentrated', 'dispersed', 'roundrobin'])[i])::jsonb,
       false, '{}', '{}'
  FROM generate_series(1, 3) i;
INSERT INTO agents (id, status, resource_group_id, scaling_group, addr, architecture, region,
    available_slots, occupied_slots, version, compute_plugins)
SELECT g.name || '-agent' || i, 'ALIVE', g.id, g.name, 'tcp://' || g.name || '-agent' || i, 'x86_64', 'r',
       '{}', '{}', '26', '{}'
  FROM scaling_groups g, generate_series(1, 5) i;
INSERT INTO agent_resources (agent_id, slot_name, capacity)
SELECT a.id, s.name, s.capacity FROM agents a,
       (VALUES ('cpu', 16), ('mem', 68719476736), ('cuda.shares', 4)) s (name, capacity);
