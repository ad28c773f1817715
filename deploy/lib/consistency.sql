-- What must always hold of the rows: one row (rule, example) a violation, none when all is well.
WITH live AS (
    -- What the ledger says is held, by agent and slot.
    SELECT k.agent AS agent_id, ra.slot_name, sum(ra.reserved) AS reserved,
           sum(ra.prereserved) AS prereserved, sum(coalesce(ra.used, 0)) AS used
      FROM resource_allocations ra JOIN kernels k ON k.id = ra.kernel_id
     WHERE ra.free_at IS NULL AND k.agent IS NOT NULL
     GROUP BY 1, 2
)
SELECT 'no agent is above its capacity' AS rule,
       format('%s %s: %s reserved, %s used of %s', agent_id, slot_name,
              reserved + prereserved, used, capacity) AS example
  FROM agent_resources WHERE reserved + prereserved + used > capacity
UNION ALL
SELECT 'what agents hold is what the ledger says',
       format('%s %s: %s/%s/%s on the agent, %s/%s/%s in the ledger', agent_id, slot_name,
              ar.reserved, ar.prereserved, ar.used, l.reserved, l.prereserved, l.used)
  FROM agent_resources ar FULL JOIN live l USING (agent_id, slot_name)
 WHERE (coalesce(ar.reserved, 0), coalesce(ar.prereserved, 0), coalesce(ar.used, 0))
       <> (coalesce(l.reserved, 0), coalesce(l.prereserved, 0), coalesce(l.used, 0))
UNION ALL
SELECT 'all kernels of a session are scheduled, or none',
       format('session %s: %s', s.id, string_agg(DISTINCT k.status, ', '))
  FROM sessions s JOIN kernels k ON k.session_id = s.id
 GROUP BY s.id, s.status
HAVING bool_or(k.status = 'PENDING') <> bool_and(k.status = 'PENDING')
       OR bool_and(k.status = 'PENDING') <> (s.status = 'PENDING')
UNION ALL
SELECT 'a waiting kernel has no agent, a scheduled one has', format('kernel %s: %s', id, status)
  FROM kernels
 WHERE (status = 'PENDING' AND agent IS NOT NULL)
       OR (status IN ('SCHEDULED', 'RUNNING') AND agent IS NULL)
UNION ALL
SELECT 'the events of a group are numbered without holes',
       format('group %s: %s events, the last is %s', scaling_group_id, count(*), max(sequence))
  FROM berth.events GROUP BY scaling_group_id
HAVING count(*) <> max(sequence) OR min(sequence) <> 1;
