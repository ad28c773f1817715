-- What watches a cluster that is hurt: every change of a session's status, every raise of what an agent holds,
-- and, at the end of each transaction that schedules a session, what must be true of it then. Rows of
-- chaos.wrongs are violations. chaos.injected makes berthd's own statements fail.
CREATE SCHEMA chaos;
CREATE TABLE chaos.wrongs (rule text, example text);
CREATE TABLE chaos.changes (
    n bigserial PRIMARY KEY, session_id uuid, old text, new text, old_info text, new_info text);
CREATE FUNCTION chaos.note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos.changes (session_id, old, new, old_info, new_info)
    VALUES (NEW.id, OLD.status, NEW.status, OLD.status_info, NEW.status_info);
    RETURN NULL;
END $$;
CREATE TRIGGER note_change AFTER UPDATE ON sessions FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status OR OLD.status IN ('CANCELLED', 'TERMINATED'))
    EXECUTE FUNCTION chaos.note_change();
CREATE FUNCTION chaos.note_overfull() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos.wrongs VALUES ('I1 no commit raised an agent above its capacity',
        format('%s %s: %s of %s', NEW.agent_id, NEW.slot_name, NEW.reserved + NEW.prereserved + NEW.used, NEW.capacity));
    RETURN NULL;
END $$;
CREATE TRIGGER note_overfull AFTER UPDATE ON agent_resources FOR EACH ROW
    WHEN (NEW.reserved + NEW.prereserved + NEW.used > NEW.capacity
          AND NEW.reserved + NEW.prereserved + NEW.used > OLD.reserved + OLD.prereserved + OLD.used)
    EXECUTE FUNCTION chaos.note_overfull();
CREATE FUNCTION chaos.note_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos.wrongs VALUES ('I2 a kernel never moves', format('kernel %s: %s to %s', NEW.id, OLD.agent, NEW.agent));
    RETURN NULL;
END $$;
CREATE TRIGGER note_move AFTER UPDATE ON kernels FOR EACH ROW
    WHEN (OLD.agent IS NOT NULL AND OLD.agent IS DISTINCT FROM NEW.agent) EXECUTE FUNCTION chaos.note_move();

-- Who owns a session, what the owners may hold, what they hold. An owner of kind `user` has the limits of its
-- main key.
CREATE VIEW chaos.owners AS
SELECT id, 'keypair' AS kind, access_key::text AS owner FROM sessions
UNION ALL SELECT id, 'user', user_uuid::text FROM sessions
UNION ALL SELECT id, 'project', group_id::text FROM sessions
UNION ALL SELECT id, 'domain', domain_name FROM sessions;
CREATE VIEW chaos.limits AS
SELECT 'keypair' AS kind, k.access_key::text AS owner, p.name::text AS policy, l.key AS slot_name, l.value::numeric AS most
  FROM keypairs k JOIN keypair_resource_policies p ON p.name = k.resource_policy, jsonb_each_text(p.total_resource_slots) l
UNION ALL
SELECT 'user', u.uuid::text, p.name, l.key, l.value::numeric
  FROM users u JOIN keypairs k ON k.access_key = u.main_access_key
  JOIN keypair_resource_policies p ON p.name = k.resource_policy, jsonb_each_text(p.total_resource_slots) l
UNION ALL
SELECT 'project', g.id::text, g.id::text, l.key, l.value::numeric FROM groups g, jsonb_each_text(g.total_resource_slots) l
UNION ALL
SELECT 'domain', d.name, d.name, l.key, l.value::numeric FROM domains d, jsonb_each_text(d.total_resource_slots) l
UNION ALL
SELECT 'keypair', k.access_key, p.name, 'sessions', p.max_concurrent_sessions
  FROM keypairs k JOIN keypair_resource_policies p ON p.name = k.resource_policy;
CREATE VIEW chaos.held AS
WITH live AS (
    SELECT k.access_key::text, k.user_uuid::text, k.group_id::text, k.domain_name::text, ra.slot_name::text,
           sum(coalesce(ra.used, ra.requested)) AS held
      FROM kernels k JOIN resource_allocations ra ON ra.kernel_id = k.id AND ra.free_at IS NULL
     WHERE k.status NOT IN ('TERMINATED', 'CANCELLED', 'ERROR') AND k.status <> 'PENDING'
     GROUP BY 1, 2, 3, 4, 5
)
SELECT 'keypair' AS kind, access_key AS owner, slot_name, sum(held) AS held FROM live GROUP BY 2, 3
UNION ALL SELECT 'user', user_uuid, slot_name, sum(held) FROM live GROUP BY 2, 3
UNION ALL SELECT 'project', group_id, slot_name, sum(held) FROM live GROUP BY 2, 3
UNION ALL SELECT 'domain', domain_name, slot_name, sum(held) FROM live GROUP BY 2, 3
UNION ALL
SELECT 'keypair', access_key, 'sessions', count(*) FROM sessions
 WHERE status NOT IN ('TERMINATED', 'CANCELLED', 'ERROR') AND status <> 'PENDING' GROUP BY 2;
CREATE VIEW chaos.unmet AS
SELECT d.session_id AS id, d.depends_on FROM session_dependencies d JOIN sessions s ON s.id = d.depends_on
 WHERE s.status <> 'TERMINATED' OR s.result <> 'SUCCESS';

-- Lowered limits: a round that read the old one may still go by it for as long as a round may take.
CREATE TABLE chaos.lowered (policy text, slot_name text, most numeric, at timestamptz DEFAULT clock_timestamp());
CREATE TABLE chaos.patience AS SELECT interval '40 s' AS longest;
CREATE FUNCTION chaos.note_scheduled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos.wrongs
    SELECT 'I3 a session is scheduled whole', format('session %s, kernel %s: %s', NEW.id, id, status)
      FROM kernels WHERE session_id = NEW.id AND (status = 'PENDING' OR agent IS NULL)
    UNION ALL
    SELECT 'I14 a session is scheduled after those it depends on', format('session %s: %s', id, depends_on)
      FROM chaos.unmet WHERE id = NEW.id
    UNION ALL
    SELECT 'I4 no commit placed a session above a limit of its owner',
           format('session %s: %s %s holds %s of %s %s', NEW.id, o.kind, o.owner, h.held, l.most, h.slot_name)
      FROM chaos.owners o JOIN chaos.limits l USING (kind, owner) JOIN chaos.held h USING (kind, owner, slot_name)
     WHERE o.id = NEW.id
       AND (slot_name = 'sessions' OR EXISTS (
            SELECT FROM kernels k JOIN resource_allocations ra ON ra.kernel_id = k.id
             WHERE k.session_id = NEW.id AND ra.slot_name = h.slot_name AND ra.requested > 0))
       AND h.held > greatest(l.most, (
            SELECT max(w.most) FROM chaos.lowered w, chaos.patience p
             WHERE w.policy = l.policy AND w.slot_name = h.slot_name AND w.at > clock_timestamp() - p.longest));
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER note_scheduled AFTER UPDATE ON sessions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.status = 'PENDING' AND NEW.status = 'SCHEDULED') EXECUTE FUNCTION chaos.note_scheduled();

-- What keeps a waiting session of one kernel from its start, asked of the rows alone.
CREATE VIEW chaos.waiting AS
WITH asked AS (
    SELECT k.session_id AS id, ra.slot_name, sum(ra.requested) AS amount
      FROM kernels k JOIN resource_allocations ra ON ra.kernel_id = k.id
     WHERE k.status = 'PENDING' AND ra.requested > 0 GROUP BY 1, 2
)
SELECT s.id, s.scaling_group_name AS scaling_group,
       EXISTS (SELECT FROM agents a WHERE a.scaling_group = s.scaling_group_name AND a.status = 'ALIVE' AND a.schedulable
                  AND NOT EXISTS (SELECT FROM asked LEFT JOIN agent_resources r ON r.agent_id = a.id AND r.slot_name = asked.slot_name
                       WHERE asked.id = s.id AND coalesce(r.capacity - r.reserved - r.prereserved - r.used, 0) < asked.amount)) AS fits,
       ARRAY(SELECT DISTINCT o.kind FROM chaos.owners o JOIN chaos.limits l USING (kind, owner)
               JOIN asked ON asked.id = o.id AND asked.slot_name = l.slot_name
               LEFT JOIN chaos.held h ON (h.kind, h.owner, h.slot_name) = (o.kind, o.owner, l.slot_name)
              WHERE o.id = s.id AND coalesce(h.held, 0) + asked.amount > l.most) AS above,
       EXISTS (SELECT FROM chaos.limits l JOIN chaos.held h USING (kind, owner, slot_name)
                WHERE owner = s.access_key AND slot_name = 'sessions' AND h.held >= l.most) AS too_many,
       EXISTS (SELECT FROM chaos.unmet u WHERE u.id = s.id) AS depends,
       NOT EXISTS (SELECT FROM keypairs k WHERE k.access_key = s.access_key) AS orphan
  FROM sessions s WHERE s.status = 'PENDING' AND s.cluster_size = 1;

-- SQLSTATEs that berthd's statements (or, at_commit, its COMMITs) end with, by chance; chaos.struck counts.
CREATE TABLE chaos.injected (code text, at_commit boolean, chance float8);
CREATE SEQUENCE chaos.struck;
CREATE FUNCTION chaos.inject() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    i chaos.injected;
BEGIN
    IF current_setting('application_name') LIKE 'berth%' THEN
        FOR i IN SELECT * FROM chaos.injected WHERE at_commit = TG_ARGV[0]::boolean LOOP
            IF random() < i.chance THEN
                PERFORM nextval('chaos.struck');
                RAISE EXCEPTION 'injected' USING ERRCODE = i.code;
            END IF;
        END LOOP;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER inject BEFORE UPDATE ON sessions EXECUTE FUNCTION chaos.inject('false');
CREATE TRIGGER inject BEFORE UPDATE ON kernels EXECUTE FUNCTION chaos.inject('false');
CREATE TRIGGER inject BEFORE UPDATE ON agent_resources EXECUTE FUNCTION chaos.inject('false');
CREATE TRIGGER inject BEFORE INSERT OR UPDATE ON berth.owner_versions EXECUTE FUNCTION chaos.inject('false');
CREATE TRIGGER inject BEFORE INSERT OR UPDATE ON berth.group_state EXECUTE FUNCTION chaos.inject('false');
CREATE TRIGGER inject BEFORE INSERT ON berth.events EXECUTE FUNCTION chaos.inject('false');
CREATE CONSTRAINT TRIGGER inject_at_commit AFTER UPDATE ON berth.group_state DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION chaos.inject('true');

-- As it was, to be put back after a burst.
CREATE TABLE chaos.policies AS SELECT name, total_resource_slots, max_concurrent_sessions FROM keypair_resource_policies;
CREATE TABLE chaos.projects AS SELECT id, total_resource_slots FROM groups;
CREATE TABLE chaos.domains AS SELECT name, total_resource_slots FROM domains;
