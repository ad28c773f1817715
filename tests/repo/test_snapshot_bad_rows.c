/* test_snapshot_bad_rows.c - a bad row costs its own session, agent or owner, never the group. */
#include <string.h>

#include "tests/repo/world.h"

enum victim { SESSION, AGENT, KEYPAIR, USER, PROJECT, DOMAIN, GROUP };

/* Each case changes session s1, agent a1 or an owner of s1; s2 (another keypair and user) and agent
 * a2 must come out unharmed. `says`: part of the sentence; NULL: nothing is wrong with it. */
static const struct {
    const char *what, *sql;
    enum victim victim;
    const char *says;
} bad_rows[] = {
    {"a session type in lower case",
     "UPDATE sessions SET session_type = 'interactive' WHERE name = 's1'", SESSION,
     "session_type \"interactive\" cannot be read"},
    {"a NULL session type", "UPDATE sessions SET session_type = NULL WHERE name = 's1'", SESSION,
     "session_type is NULL"},
    {"an unknown cluster mode", "UPDATE sessions SET cluster_mode = 'ring' WHERE name = 's1'",
     SESSION, "cluster_mode \"ring\" cannot be read"},
    {"a NULL cluster mode", "UPDATE sessions SET cluster_mode = NULL WHERE name = 's1'", SESSION,
     "cluster_mode is NULL"},
    {"the other spelling of a cluster mode",
     "UPDATE sessions SET cluster_mode = 'MULTI_NODE' WHERE name = 's1'", SESSION, NULL},
    {"a NULL created_at", "UPDATE sessions SET created_at = NULL WHERE name = 's1'", SESSION,
     "created_at is NULL"},
    {"an infinite created_at", "UPDATE sessions SET created_at = 'infinity' WHERE name = 's1'",
     SESSION, "created_at \"infinity\" cannot be read"},
    {"a created_at before all time",
     "UPDATE sessions SET created_at = '-infinity' WHERE name = 's1'", SESSION,
     "created_at \"infinity\" cannot be read"},
    {"a PENDING stamp that is no time",
     "UPDATE sessions SET status_history = '{\"PENDING\": \"yesterday\"}' WHERE name = 's1'",
     SESSION, "status_history.PENDING \"yesterday\" cannot be read"},
    {"a PENDING stamp on no day of the calendar",
     "UPDATE sessions SET status_history = '{\"PENDING\": \"2026-02-30T00:00:00Z\"}' "
     "WHERE name = 's1'",
     SESSION, "status_history.PENDING"},
    {"a status_history that is JSON null",
     "UPDATE sessions SET status_history = 'null' WHERE name = 's1'", SESSION, NULL},
    {"a status_history that is an array",
     "UPDATE sessions SET status_history = '[1]' WHERE name = 's1'", SESSION, NULL},
    {"no status_history", "UPDATE sessions SET status_history = NULL WHERE name = 's1'", SESSION,
     NULL},
    {"an infinite start", "UPDATE sessions SET requested_starts_at = 'infinity' WHERE name = 's1'",
     SESSION, "requested_starts_at"},
    {"a NULL priority", "UPDATE sessions SET priority = NULL WHERE name = 's1'", SESSION,
     "priority is NULL"},
    {"a NULL access key", "UPDATE sessions SET access_key = NULL WHERE name = 's1'", SESSION,
     "access_key is NULL"},
    {"a NULL user", "UPDATE sessions SET user_uuid = NULL WHERE name = 's1'", SESSION,
     "user_uuid is NULL"},
    {"a NULL project", "UPDATE sessions SET group_id = NULL WHERE name = 's1'", SESSION,
     "group_id is NULL"},
    {"a NULL domain", "UPDATE sessions SET domain_name = NULL WHERE name = 's1'", SESSION,
     "domain_name is NULL"},
    {"an unknown selection policy",
     "UPDATE sessions SET options = '{\"agent_selection_policy\": \"maybe\"}' WHERE name = 's1'",
     SESSION, "options.agent_selection_policy \"maybe\" cannot be read"},
    {"options that are JSON null", "UPDATE sessions SET options = 'null' WHERE name = 's1'",
     SESSION, NULL},
    {"NULL options", "UPDATE sessions SET options = NULL WHERE name = 's1'", SESSION, NULL},
    {"a NULL among the designated agents",
     "UPDATE sessions SET designated_agent_ids = '{a1,NULL}' WHERE name = 's1'", SESSION,
     "designated_agent_ids"},
    {"retries that are no number",
     "UPDATE sessions SET status_data = '{\"scheduler\": {\"retries\": \"many\"}}' "
     "WHERE name = 's1'",
     SESSION, "status_data.scheduler.retries \"many\" cannot be read"},
    {"negative retries",
     "UPDATE sessions SET status_data = '{\"scheduler\": {\"retries\": -1}}' WHERE name = 's1'",
     SESSION, "status_data.scheduler.retries \"-1\""},
    {"more retries than can be counted",
     "UPDATE sessions SET status_data = '{\"scheduler\": {\"retries\": 9999999999}}' "
     "WHERE name = 's1'",
     SESSION, "status_data.scheduler.retries"},
    {"a digest that is none",
     "UPDATE sessions SET status_data = '{\"scheduler\": {\"digest\": \"x\"}}' WHERE name = 's1'",
     SESSION, NULL},
    {"status_data that is a text", "UPDATE sessions SET status_data = '\"x\"' WHERE name = 's1'",
     SESSION, NULL},
    {"a NULL name and creation id", "UPDATE sessions SET creation_id = NULL WHERE name = 's1'",
     SESSION, NULL},
    {"a session group with an unknown direction",
     "INSERT INTO session_groups (id, placement_direction, placement_enforcement, domain_id, "
     "project_id, owner_user_id) VALUES (t.id('sg'), 'around', 'strict', t.id('default'), "
     "t.id('p1'), t.id('u1')); UPDATE sessions SET session_group_id = t.id('sg') WHERE name = 's1'",
     SESSION, "placement_direction \"around\" cannot be read"},
    {"a session group with an unknown enforcement",
     "INSERT INTO session_groups (id, placement_direction, placement_enforcement, domain_id, "
     "project_id, owner_user_id) VALUES (t.id('sg'), 'pack', NULL, t.id('default'), t.id('p1'), "
     "t.id('u1')); UPDATE sessions SET session_group_id = t.id('sg') WHERE name = 's1'",
     SESSION, "placement_enforcement is NULL"},
    {"a session group that is not there",
     "UPDATE sessions SET session_group_id = t.id('nowhere') WHERE name = 's1'", SESSION, NULL},
    {"a kernel that runs already", "UPDATE kernels SET status = 'RUNNING' WHERE id = t.id('s1/1')",
     SESSION, "status is RUNNING while its session is PENDING"},
    {"a kernel that is over", "UPDATE kernels SET status = 'CANCELLED' WHERE id = t.id('s1/1')",
     SESSION, "status is CANCELLED while its session is PENDING"},
    {"a kernel of unknown status", "UPDATE kernels SET status = 'ODD' WHERE id = t.id('s1/1')",
     SESSION, "status is ODD"},
    {"a kernel of NULL status", "UPDATE kernels SET status = NULL WHERE id = t.id('s1/1')", SESSION,
     "status is NULL"},
    {"a kernel without architecture",
     "UPDATE kernels SET architecture = NULL WHERE id = t.id('s1/1')", SESSION,
     "architecture is NULL"},
    {"a kernel without role", "UPDATE kernels SET cluster_role = NULL WHERE id = t.id('s1/1')",
     SESSION, "cluster_role is NULL"},
    {"a kernel without index", "UPDATE kernels SET cluster_idx = NULL WHERE id = t.id('s1/1')",
     SESSION, "cluster_idx is NULL"},
    {"a kernel of another scaling group",
     "UPDATE kernels SET resource_group_id = t.id('g2') WHERE id = t.id('s1/1')", SESSION,
     "resource_group_id is not that of its session"},
    {"a kernel of no scaling group",
     "UPDATE kernels SET resource_group_id = NULL WHERE id = t.id('s1/1')", SESSION,
     "resource_group_id is not that of its session"},
    {"an agent's amount of no slot",
     "ALTER TABLE agent_resources DROP CONSTRAINT pk_agent_resources; ALTER TABLE agent_resources "
     "ALTER slot_name DROP NOT NULL; INSERT INTO agent_resources (agent_id, slot_name, capacity) "
     "VALUES ('a1', NULL, 1)",
     AGENT, NULL},
    {"a kernel without session", "UPDATE kernels SET session_id = NULL WHERE id = t.id('s1/1')",
     SESSION, NULL},
    {"a request that is NaN",
     "UPDATE resource_allocations SET requested = 'NaN' WHERE kernel_id = t.id('s1/1') "
     "AND slot_name = 'cpu'",
     SESSION, "cpu): requested is not a number"},
    {"a negative request",
     "UPDATE resource_allocations SET requested = -1 WHERE kernel_id = t.id('s1/1') "
     "AND slot_name = 'cpu'",
     SESSION, "cpu): requested is negative"},
    {"a request for half a byte",
     "UPDATE resource_allocations SET requested = 0.5 WHERE kernel_id = t.id('s1/1') "
     "AND slot_name = 'mem'",
     SESSION, "mem): requested is not a whole number of bytes"},
    {"a NULL request",
     "UPDATE resource_allocations SET requested = NULL WHERE kernel_id = t.id('s1/1') "
     "AND slot_name = 'cpu'",
     SESSION, "cpu): requested is NULL"},
    {"a request for an unknown slot",
     "INSERT INTO resource_allocations (kernel_id, slot_name, requested) "
     "VALUES (t.id('s1/1'), 'magic', 1)",
     SESSION, "magic): the slot is unknown or disabled"},
    {"a request of zero for an unknown slot",
     "INSERT INTO resource_allocations (kernel_id, slot_name, requested) "
     "VALUES (t.id('s1/1'), 'magic', 0)",
     SESSION, NULL},
    {"a request for a disabled slot",
     "UPDATE resource_slot_types SET enabled = false WHERE slot_name = 'cuda.shares'; "
     "INSERT INTO resource_allocations (kernel_id, slot_name, requested) "
     "VALUES (t.id('s1/1'), 'cuda.shares', 1)",
     SESSION, "cuda.shares): the slot is unknown"},
    {"a ledger row that holds already",
     "UPDATE resource_allocations SET reserved_at = now() WHERE kernel_id = t.id('s1/1')", SESSION,
     "reserved_at or used_at is set while the kernel is PENDING"},
    {"requested_slots without a ledger row",
     "DELETE FROM resource_allocations WHERE kernel_id = t.id('s1/1')", SESSION,
     "cpu): there is no live row, but kernels.requested_slots asks for it"},
    {"requested_slots with freed ledger rows only",
     "UPDATE resource_allocations SET free_at = now() WHERE kernel_id = t.id('s1/1')", SESSION,
     "there is no live row"},
    {"requested_slots of zero without a ledger row",
     "DELETE FROM resource_allocations WHERE kernel_id = t.id('s1/1'); "
     "UPDATE kernels SET requested_slots = '{\"cpu\": \"0\"}' WHERE id = t.id('s1/1')",
     SESSION, NULL},
    {"requested_slots that are JSON null, without a ledger row",
     "DELETE FROM resource_allocations WHERE kernel_id = t.id('s1/1'); "
     "UPDATE kernels SET requested_slots = 'null' WHERE id = t.id('s1/1')",
     SESSION, NULL},
    {"an agent without address", "UPDATE agents SET addr = NULL WHERE id = 'a1'", AGENT,
     "agents \"a1\": addr is NULL"},
    {"an agent without architecture", "UPDATE agents SET architecture = NULL WHERE id = 'a1'",
     AGENT, "architecture is NULL"},
    {"an agent without status", "UPDATE agents SET status = NULL WHERE id = 'a1'", AGENT,
     "status is NULL"},
    {"a capacity that is NaN",
     "UPDATE agent_resources SET capacity = 'NaN' WHERE agent_id = 'a1' AND slot_name = 'cpu'",
     AGENT, "agent_resources (a1, cpu): capacity is not a number"},
    {"a negative capacity",
     "UPDATE agent_resources SET capacity = -1 WHERE agent_id = 'a1' AND slot_name = 'cpu'", AGENT,
     "capacity is negative"},
    {"a NULL capacity",
     "UPDATE agent_resources SET capacity = NULL WHERE agent_id = 'a1' AND slot_name = 'cpu'",
     AGENT, "capacity is NULL"},
    {"a capacity of half a byte",
     "UPDATE agent_resources SET capacity = 0.5 WHERE agent_id = 'a1' AND slot_name = 'mem'", AGENT,
     "(a1, mem): capacity is not a whole number of bytes"},
    {"a negative prereservation",
     "UPDATE agent_resources SET prereserved = -1 WHERE agent_id = 'a1' AND slot_name = 'cpu'",
     AGENT, "prereserved is negative"},
    {"a use that is NaN",
     "UPDATE agent_resources SET used = 'NaN' WHERE agent_id = 'a1' AND slot_name = 'cpu'", AGENT,
     "used is not a number"},
    {"a use above the capacity",
     "UPDATE agent_resources SET used = 99 WHERE agent_id = 'a1' AND slot_name = 'cpu'", AGENT,
     NULL},
    {"an agent with an unknown slot",
     "INSERT INTO agent_resources (agent_id, slot_name, capacity) VALUES ('a1', 'magic', 'NaN')",
     AGENT, NULL},
    {"a policy that is an array",
     "UPDATE keypair_resource_policies SET total_resource_slots = '[]' WHERE name = 'other'",
     KEYPAIR, "\"other\": total_resource_slots is not an object"},
    {"a limit that is no amount",
     "UPDATE keypair_resource_policies SET total_resource_slots = '{\"cpu\": \"many\"}' "
     "WHERE name = 'other'",
     KEYPAIR, "total_resource_slots.cpu \"many\" cannot be read"},
    {"a negative limit",
     "UPDATE keypair_resource_policies SET total_resource_slots = '{\"cpu\": -1}' "
     "WHERE name = 'other'",
     USER, "total_resource_slots.cpu \"-1\" is negative"},
    {"a limit of half a byte",
     "UPDATE keypair_resource_policies SET total_resource_slots = '{\"mem\": \"0.5\"}' "
     "WHERE name = 'other'",
     KEYPAIR, "total_resource_slots.mem"},
    {"a limit for an unknown slot",
     "UPDATE keypair_resource_policies SET total_resource_slots = '{\"magic\": \"many\"}' "
     "WHERE name = 'other'",
     KEYPAIR, NULL},
    {"a NULL default for unnamed slots",
     "UPDATE keypair_resource_policies SET default_for_unspecified = NULL WHERE name = 'other'",
     KEYPAIR, "default_for_unspecified cannot be read"},
    {"a pending limit that is a text",
     "UPDATE keypair_resource_policies SET max_pending_session_resource_slots = '\"x\"' "
     "WHERE name = 'other'",
     KEYPAIR, "max_pending_session_resource_slots is not an object"},
    {"a pending limit that is JSON null",
     "UPDATE keypair_resource_policies SET max_pending_session_resource_slots = 'null' "
     "WHERE name = 'other'",
     KEYPAIR, NULL},
    {"a project limit that is no amount",
     "UPDATE groups SET total_resource_slots = '{\"cpu\": {}}' WHERE name = 'p1'", PROJECT,
     "total_resource_slots.cpu"},
    {"a project without limits", "UPDATE groups SET total_resource_slots = NULL WHERE name = 'p1'",
     PROJECT, NULL},
    {"a domain limit that is a number", "UPDATE domains SET total_resource_slots = '7'", DOMAIN,
     "domains \"default\": total_resource_slots is not an object"},
    {"a running kernel that uses NaN",
     "SELECT t.session('r1', 1, 0), t.place('r1', 'a2', 'RUNNING'); "
     "UPDATE resource_allocations SET used = 'NaN' WHERE kernel_id = t.id('r1/1') "
     "AND slot_name = 'cpu'",
     KEYPAIR, "cpu): used is not a number"},
    {"a running kernel that uses less than nothing",
     "SELECT t.session('r1', 1, 0), t.place('r1', 'a2', 'RUNNING'); "
     "UPDATE resource_allocations SET used = -5 WHERE kernel_id = t.id('r1/1') "
     "AND slot_name = 'cpu'",
     USER, "cpu): used is negative"},
    {"options that are an array",
     "UPDATE scaling_groups SET scheduler_opts = '[]' WHERE name = 'g1'", GROUP,
     "scaling_groups \"g1\": scheduler_opts is not a JSON object"},
    {"a timeout that is no duration",
     "UPDATE scaling_groups SET scheduler_opts = '{\"pending_timeout\": \"soon\"}' "
     "WHERE name = 'g1'",
     GROUP, "scheduler_opts.pending_timeout is not a duration"},
    {"a timeout that is an object",
     "UPDATE scaling_groups SET scheduler_opts = '{\"pending_timeout\": {}}' WHERE name = 'g1'",
     GROUP, "pending_timeout"},
    {"a strategy that is a number",
     "UPDATE scaling_groups SET scheduler_opts = '{\"agent_selection_strategy\": 7}' "
     "WHERE name = 'g1'",
     GROUP, "agent_selection_strategy is not a text"},
    {"a config that is a text",
     "UPDATE scaling_groups SET scheduler_opts = '{\"config\": \"x\"}' WHERE name = 'g1'", GROUP,
     "config is not an object"},
    {"options that are JSON null",
     "UPDATE scaling_groups SET scheduler_opts = 'null' WHERE name = 'g1'", GROUP, NULL},
    {"NULL options", "UPDATE scaling_groups SET scheduler_opts = NULL WHERE name = 'g1'", GROUP,
     NULL},
    {"a number too large for JSON integers",
     "UPDATE scaling_groups SET scheduler_opts = '{\"config\": {\"x\": 1e40}}' WHERE name = 'g1'",
     GROUP, NULL},
};

static const char *complaint(const struct snapshot *s, enum victim v)
{
    switch (v) {
    case SESSION:
        return s->sessions[world_session(s, "s1")].bad_data;
    case AGENT:
        return world_agent(s, "a1")->bad_data;
    case KEYPAIR:
        return world_owner(s, "s1", OWNER_KEYPAIR)->bad_data;
    case USER:
        return world_owner(s, "s1", OWNER_USER)->bad_data;
    case PROJECT:
        return world_owner(s, "s1", OWNER_PROJECT)->bad_data;
    case DOMAIN:
        return world_owner(s, "s1", OWNER_DOMAIN)->bad_data;
    case GROUP:
        break;
    }
    return s->bad_options;
}

START_TEST(snapshot_keeps_the_others_when_a_row_is_bad)
{
    const char *what = bad_rows[_i].what, *says = bad_rows[_i].says;
    struct db d = world_create();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    world_do(&d, "SELECT t.hostile(); SELECT t.session('s1', 1, 1024), "
                 "t.session('s2', 1, 1024, 1, 'g1', 'AK2'); "
                 "INSERT INTO keypair_resource_policies (name, default_for_unspecified, "
                 "total_resource_slots, max_concurrent_sessions, max_concurrent_sftp_sessions) "
                 "VALUES ('other', 'UNLIMITED', '{}', 0, 0); "
                 "UPDATE keypairs SET resource_policy = 'other' WHERE access_key = 'AK1'");
    world_do(&d, bad_rows[_i].sql);
    const struct snapshot *s = world_load(c, "g1", a);
    const char *got = complaint(s, bad_rows[_i].victim);
    if (says == NULL)
        ck_assert_msg(got == NULL, "%s: nothing is wrong with it, but: %s", what, got);
    else
        ck_assert_msg(got != NULL && strstr(got, says) != NULL, "%s: expected \"...%s...\", got %s",
                      what, says, got != NULL ? got : "nothing");
    ck_assert_msg(s->n_sessions >= 2 && s->n_agents == 2, "%s: %u sessions, %u agents", what,
                  s->n_sessions, s->n_agents);
    const struct session *s2 = &s->sessions[world_session(s, "s2")];
    ck_assert_msg(s2->bad_data == NULL, "%s: harms s2 too: %s", what, s2->bad_data);
    ck_assert_msg(s2->n_kernels == 1, "%s: s2 has %u kernels", what, s2->n_kernels);
    ck_assert_msg(world_agent(s, "a2")->bad_data == NULL, "%s: harms a2 too", what);
    ck_assert_msg(world_owner(s, "s2", OWNER_KEYPAIR)->bad_data == NULL, "%s: harms AK2 too", what);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("snapshot_bad_rows");
    TCase *tc = tcase_create("snapshot_bad_rows");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, snapshot_keeps_the_others_when_a_row_is_bad, 0, ARRAY_SIZE(bad_rows));
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
