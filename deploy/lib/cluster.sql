-- Agents with what they hold, and the names of sessions, as one line of JSON for deploy/lib/report.
SELECT json_build_object(
    'sessions', (SELECT coalesce(json_object_agg(id, name), '{}') FROM sessions),
    'agents', (
        SELECT coalesce(json_agg(json_build_object(
                   'id', a.id, 'group', a.scaling_group,
                   'note', CASE WHEN a.status <> 'ALIVE' THEN ' (' || lower(a.status::text) || ')'
                                WHEN NOT a.schedulable THEN ' (closed)' ELSE '' END,
                   'slots', r.slots) ORDER BY a.id), '[]')
          FROM agents a CROSS JOIN LATERAL (
               SELECT json_object_agg(ar.slot_name, json_build_object(
                          'held', (ar.reserved + ar.prereserved + ar.used)::text,
                          'capacity', ar.capacity::text) ORDER BY t.rank, t.slot_name) AS slots
                 FROM agent_resources ar JOIN resource_slot_types t USING (slot_name)
                WHERE ar.agent_id = a.id) r
         WHERE r.slots IS NOT NULL));
