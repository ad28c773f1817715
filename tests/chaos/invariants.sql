-- What must hold after every burst, besides deploy/lib/consistency.sql: a row (rule, example) a violation.
WITH RECURSIVE berth_change AS (
    SELECT session_id, old, new, count(*) AS n FROM chaos.changes
     WHERE old <> new AND (old, new) IN (SELECT t.old, t.new FROM chaos.transitions t WHERE who <> 'MANAGER')
     GROUP BY 1, 2, 3
), berth_event AS (
    SELECT session_id, from_status AS old, to_status AS new, count(*) AS n FROM berth.events
     WHERE type IN (1, 3, 4) GROUP BY 1, 2, 3
), by_manager AS (
    -- Where a cluster manager may have taken a session meanwhile.
    SELECT new AS old, new FROM chaos.transitions
    UNION
    SELECT m.old, t.new FROM by_manager m JOIN chaos.transitions t ON t.old = m.new AND t.who = 'MANAGER'
), steps AS (
    SELECT scaling_group_id, sequence, from_status,
           lag(to_status) OVER (PARTITION BY session_id ORDER BY sequence) AS before
      FROM berth.events WHERE type IN (1, 3, 4)
)
SELECT rule, example FROM chaos.wrongs
UNION ALL
SELECT 'I2 a session is scheduled at most once', format('session %s: %s times', session_id, n)
  FROM berth_change WHERE new = 'SCHEDULED' AND n > 1
UNION ALL
SELECT 'I2 a session that is over holds nothing', format('session %s, kernel %s: %s of %s', s.id, k.id, ra.reserved, ra.slot_name)
  FROM sessions s JOIN kernels k ON k.session_id = s.id JOIN resource_allocations ra ON ra.kernel_id = k.id
 WHERE s.status IN ('CANCELLED', 'TERMINATED') AND ra.free_at IS NULL
UNION ALL
SELECT 'I4 no owner is above a limit', format('%s %s: %s of %s %s', kind, owner, held, most, slot_name)
  FROM chaos.held JOIN chaos.limits USING (kind, owner, slot_name) WHERE held > most
UNION ALL
SELECT 'I5 epochs never go back in a log', format('group %s: %s after %s at event %s', scaling_group_id, epoch, before, sequence)
  FROM (SELECT scaling_group_id, sequence, epoch, max(epoch) OVER (PARTITION BY scaling_group_id ORDER BY sequence) AS before
          FROM berth.events) e WHERE epoch < before
UNION ALL
SELECT 'I5 a round writes under its own epoch alone', format('round %s: event %s has %s, the round %s', r.round_id, sequence, e.epoch, r.epoch)
  FROM berth.events e JOIN berth.rounds r USING (round_id) WHERE e.epoch <> r.epoch
UNION ALL
SELECT 'I5 no two rounds of a group have one epoch', format('group %s, epoch %s: %s rounds', scaling_group_id, epoch, count(*))
  FROM berth.rounds GROUP BY scaling_group_id, epoch HAVING count(*) > 1
UNION ALL
SELECT 'I7 a session that is over never changes', format('session %s: %s (%s) to %s (%s)', session_id, old, old_info, new, new_info)
  FROM chaos.changes WHERE old IN ('CANCELLED', 'TERMINATED') AND (old, old_info) IS DISTINCT FROM (new, new_info)
UNION ALL
SELECT 'I8 a status changes only as declared', format('session %s: %s to %s', session_id, old, new)
  FROM chaos.changes
 WHERE old <> new AND (old, new) NOT IN (SELECT t.old, t.new FROM chaos.transitions t)
UNION ALL
SELECT 'I8 an event tells only of a change that is declared for its maker',
       format('group %s, event %s: %s to %s', scaling_group_id, sequence, from_status, to_status)
  FROM berth.events e
 WHERE type IN (1, 3, 4) AND NOT EXISTS (
       SELECT FROM chaos.transitions t WHERE (old, new) = (from_status, to_status)
          AND who = CASE WHEN round_id IS NULL THEN 'CANCEL' ELSE 'ROUND' END)
UNION ALL
SELECT 'I8 the events of a session lead from one to the next', format('group %s, event %s: %s after %s', scaling_group_id, sequence, from_status, before)
  FROM steps WHERE before IS NOT NULL AND (before, from_status) NOT IN (SELECT old, new FROM by_manager)
UNION ALL
SELECT 'I9 every change Berth made has one event, and every event its change',
       format('session %s %s to %s: %s changes, %s events', session_id, old, new, c.n, e.n)
  FROM berth_change c FULL JOIN berth_event e USING (session_id, old, new)
 WHERE c.n IS DISTINCT FROM e.n
UNION ALL
SELECT 'I9 a round that is recorded placed what its events say', format('round %s: %s counted, %s events', r.round_id, r.counts[2], count(e))
  FROM berth.rounds r LEFT JOIN berth.events e ON e.round_id = r.round_id AND e.type = 1
 WHERE r.finished_at IS NOT NULL GROUP BY r.round_id, r.counts[2] HAVING count(e) <> r.counts[2]
UNION ALL
SELECT 'I9 the last number of a group is that of its last event', format('group %s: %s, %s', scaling_group_id, last_sequence, max(sequence))
  FROM berth.group_state s LEFT JOIN berth.events e USING (scaling_group_id)
 GROUP BY scaling_group_id, last_sequence HAVING coalesce(max(sequence), 0) <> last_sequence;
