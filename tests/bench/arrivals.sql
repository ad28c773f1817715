-- Sessions that come while a full cluster (cluster.sql with fill 1) has a queue: `added` of them, each like
-- session1 but before all others, and room for just these.
CREATE TEMP TABLE more AS SELECT gen_random_uuid() AS s, gen_random_uuid() AS k FROM generate_series(1, :added);
CREATE TEMP TABLE ms AS SELECT * FROM sessions WHERE name = 'session1';
CREATE TEMP TABLE mk AS SELECT * FROM kernels WHERE session_id = (SELECT id FROM ms);
INSERT INTO sessions SELECT (jsonb_populate_record(ms, jsonb_build_object('id', s, 'creation_id', left(s::text, 22),
    'name', 'more-' || s, 'status', 'PENDING', 'status_info', NULL, 'status_data', NULL, 'terminated_at', NULL,
    'priority', 20))).* FROM more, ms;
INSERT INTO kernels SELECT (jsonb_populate_record(mk, jsonb_build_object('id', k, 'session_id', s,
    'status', 'PENDING', 'status_info', NULL, 'status_data', NULL, 'terminated_at', NULL))).* FROM more, mk;
INSERT INTO resource_allocations (kernel_id, slot_name, requested) SELECT k, 'cpu', 1 FROM more;
UPDATE agent_resources SET capacity = capacity + :added WHERE slot_name = 'cpu' AND agent_id = (SELECT max(id) FROM agents);
