-- What must hold after every burst, besides deploy/lib/consistency.sql: a row (rule, example) a violation.
WITH usage AS (
    SELECT s.access_key, s.user_uuid, s.group_id, ra.slot_name, sum(coalesce(ra.used, ra.requested)) AS used
      FROM resource_allocations ra
      JOIN kernels k ON k.id = ra.kernel_id
      JOIN sessions s ON s.id = k.session_id
     WHERE ra.free_at IS NULL
       AND k.status IN ('RESERVED', 'SCHEDULED', 'PREPARING', 'PULLING', 'PREPARED', 'CREATING',
                        'RUNNING', 'TERMINATING')
     GROUP BY 1, 2, 3, 4
), policy AS (
    SELECT k.access_key, k."user", l.key AS slot_name, l.value::numeric AS most, p.max_concurrent_sessions
      FROM keypairs k JOIN keypair_resource_policies p ON p.name = k.resource_policy,
           LATERAL jsonb_each_text(p.total_resource_slots) l
), berth_change AS (
    SELECT session_id, old, new, count(*) AS n FROM chaos.changes
     WHERE old <> new AND (old, new) IN (SELECT t.old, t.new FROM chaos.transitions t WHERE who <> 'MANAGER')
     GROUP BY 1, 2, 3
), berth_event AS (
    SELECT session_id, from_status AS old, to_status AS new, count(*) AS n FROM berth.events
     WHERE type IN (1, 3, 4) GROUP BY 1, 2, 3
)
SELECT 'I1 no commit raised an agent above its capacity' AS rule, format('%s %s: %s of %s', agent_id, slot_name, held, capacity) AS example
  FROM chaos.overfull
UNION ALL
SELECT 'I2 a session is scheduled at most once', format('session %s: %s times', session_id, n)
  FROM berth_change WHERE new = 'SCHEDULED' AND n > 1
UNION ALL
SELECT 'I4 no key is above its quota', format('%s %s: %s of %s', u.access_key, slot_name, sum(used), max(most))
  FROM usage u JOIN policy USING (access_key, slot_name) GROUP BY u.access_key, slot_name HAVING sum(used) > max(most)
UNION ALL
SELECT 'I4 no project is above its quota', format('%s %s: %s', g.name, l.key, sum(used))
  FROM usage u JOIN groups g ON g.id = u.group_id, LATERAL jsonb_each_text(g.total_resource_slots) l
 WHERE l.key = u.slot_name GROUP BY g.name, l.key, l.value HAVING sum(used) > l.value::numeric
UNION ALL
SELECT 'I4 no key has more sessions than allowed', format('%s: %s of %s', s.access_key, count(*), p.max_concurrent_sessions)
  FROM sessions s JOIN policy p ON p.access_key = s.access_key
 WHERE s.status IN ('RESERVED', 'SCHEDULED', 'PREPARING', 'PULLING', 'PREPARED', 'CREATING', 'RUNNING',
                    'RESTARTING', 'RUNNING_DEGRADED', 'TERMINATING')
 GROUP BY s.access_key, p.max_concurrent_sessions HAVING count(*) > p.max_concurrent_sessions
UNION ALL
SELECT 'I5 epochs never go back in a log', format('group %s: %s after %s at event %s', scaling_group_id, epoch, before, sequence)
  FROM (SELECT scaling_group_id, sequence, epoch, max(epoch) OVER (PARTITION BY scaling_group_id ORDER BY sequence) AS before
          FROM berth.events) e WHERE epoch < before
UNION ALL
SELECT 'I7 a session that is over never changes', format('session %s: %s (%s) to %s (%s)', session_id, old, old_info, new, new_info)
  FROM chaos.changes WHERE old IN ('CANCELLED', 'TERMINATED') AND (old, old_info) IS DISTINCT FROM (new, new_info)
UNION ALL
SELECT 'I8 a status changes only as declared', format('session %s: %s to %s', session_id, old, new)
  FROM chaos.changes
 WHERE old <> new AND (old, new) NOT IN (SELECT t.old, t.new FROM chaos.transitions t)
UNION ALL
SELECT 'I9 every change Berth made has one event, and every event its change',
       format('session %s %s to %s: %s changes, %s events', session_id, old, new, c.n, e.n)
  FROM berth_change c FULL JOIN berth_event e USING (session_id, old, new)
 WHERE c.n IS DISTINCT FROM e.n
UNION ALL
SELECT 'I8 an event tells only of a change that is declared for its maker',
       format('group %s, event %s: %s to %s', scaling_group_id, sequence, from_status, to_status)
  FROM berth.events e
 WHERE type IN (1, 3, 4) AND NOT EXISTS (
       SELECT FROM chaos.transitions t WHERE (old, new) = (from_status, to_status)
          AND who = CASE WHEN round_id IS NULL THEN 'CANCEL' ELSE 'ROUND' END)
UNION ALL
SELECT 'I5 a round writes under its own epoch alone', format('round %s: event %s has %s, the round %s', r.round_id, sequence, e.epoch, r.epoch)
  FROM berth.events e JOIN berth.rounds r USING (round_id) WHERE e.epoch <> r.epoch;
