"""The rows: what is put into the database, and what must come of it.

In the SQL: $bad and $good are the ids of the two sessions, $kernel that of the bad one's kernel, $agent and $other
the agents, $group, $key, $policy, $user, $project, $domain what the bad session belongs to, $i the number of the case
(names made of it are the case's own)."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    what: str
    sql: str
    outcome: str  # of the bad session; ABSENT: the round does not speak of it; REFUSED: the whole group, for that reason
    cause: str = ""  # kind of a cause, or the reason of the refusal
    says: str = ""  # part of that cause's sentence
    then: str = ""  # outcome in a second round, where that is another


SESSION = "UPDATE sessions SET {} WHERE id = $bad"
KERNEL = "UPDATE kernels SET {} WHERE id = $kernel"
LEDGER = "UPDATE resource_allocations SET requested = {} WHERE kernel_id = $kernel AND slot_name = {}"
AGENT = "UPDATE agents SET {} WHERE id = $agent"
RESOURCE = "UPDATE agent_resources SET {} WHERE agent_id = $agent AND slot_name = {}"
POLICY = "UPDATE keypair_resource_policies SET {} WHERE name = $policy"
GROUP = "UPDATE scaling_groups SET {} WHERE name = $group"
LONG = "repeat('x', 64)"
HUGE = "999999999999999999"  # what numeric(24,6) holds at most


def bad_data(what: str, sql: str, says: str, then: str = "") -> Row:
    return Row(what, sql, "INVALID", "BAD_DATA", says, then)


def copy(table: str, key: str, **changed: str) -> str:
    """One more row like that of the key."""
    columns = ", ".join(f"'{name}', {value}" for name, value in changed.items())
    return (f"INSERT INTO {table} SELECT (jsonb_populate_record(x, jsonb_build_object({columns}))).* FROM {table} x "
            f"WHERE x.{key}; ")


SESSIONS = [
    bad_data("a session type in lower case", SESSION.format("session_type = 'interactive'"), "session_type \"interactive\""),
    bad_data("a NULL session type", SESSION.format("session_type = NULL"), "session_type is NULL"),
    bad_data("an unknown cluster mode", SESSION.format("cluster_mode = 'ring'"), "cluster_mode \"ring\""),
    bad_data("a NULL cluster mode", SESSION.format("cluster_mode = NULL"), "cluster_mode is NULL"),
    bad_data("a NULL created_at", SESSION.format("created_at = NULL"), "created_at is NULL"),
    bad_data("an infinite created_at", SESSION.format("created_at = 'infinity'"), "created_at \"infinity\""),
    bad_data("a created_at before all time", SESSION.format("created_at = '-infinity'"), "created_at"),
    bad_data("an infinite start", SESSION.format("requested_starts_at = 'infinity'"), "requested_starts_at"),
    bad_data("a NULL priority", SESSION.format("priority = NULL"), "priority is NULL"),
    bad_data("a NULL access key", SESSION.format("access_key = NULL"), "access_key is NULL"),
    bad_data("a NULL user", SESSION.format("user_uuid = NULL"), "user_uuid is NULL"),
    bad_data("a NULL project", SESSION.format("group_id = NULL"), "group_id is NULL"),
    bad_data("a NULL domain", SESSION.format("domain_name = NULL"), "domain_name is NULL"),
    bad_data("an unknown selection policy", SESSION.format("options = '{\"agent_selection_policy\": \"maybe\"}'"),
             "agent_selection_policy \"maybe\""),
    bad_data("a NULL among the designated agents", SESSION.format("designated_agent_ids = ARRAY[$agent, NULL]"),
             "designated_agent_ids"),
    bad_data("retries that are no number", SESSION.format("status_data = '{\"scheduler\": {\"retries\": \"many\"}}'"),
             "retries \"many\"", then="SCHEDULED"),  # the record of the failure counts anew
    bad_data("more retries than can be counted",
             SESSION.format("status_data = '{\"scheduler\": {\"retries\": 9999999999}}'"), "retries", then="SCHEDULED"),
    bad_data("a PENDING stamp on no day of the calendar",
             SESSION.format("status_history = '{\"PENDING\": \"2026-02-30T00:00:00Z\"}'"), "status_history.PENDING"),
    bad_data("a session group with an unknown direction",
             "INSERT INTO session_groups (id, placement_direction, placement_enforcement, domain_id, project_id, "
             "owner_user_id) VALUES (t.id('sg$i'), 'around', 'strict', t.id($domain), $project, $user); "
             + SESSION.format("session_group_id = t.id('sg$i')"), "placement_direction \"around\""),
    Row("options that are an array", SESSION.format("options = '[[]]'"), "SCHEDULED"),
    Row("a status_history that is an array", SESSION.format("status_history = '[1]'"), "SCHEDULED"),
    Row("status_data that is a text", SESSION.format("status_data = '\"x\"'"), "SCHEDULED"),
    Row("the greatest priority there is", SESSION.format("priority = 2147483647"), "SCHEDULED"),
    Row("the least priority there is", SESSION.format("priority = -2147483648"), "SCHEDULED"),
    Row("a name of control characters", SESSION.format(r"name = E'\x01\x02\n\t\x7f\x1b[31m'"), "SCHEDULED"),
    Row("a name of characters of four bytes", SESSION.format("name = repeat('\U0001f600', 16)"), "SCHEDULED"),
    Row("a name as long as it may be, the other's too",
        f"UPDATE sessions SET name = {LONG} WHERE id IN ($bad, $good)", "SCHEDULED"),
    Row("neither name nor creation id", SESSION.format("name = NULL, creation_id = NULL"), "SCHEDULED"),
    Row("a record of failures that nobody wrote",
        SESSION.format("status_data = '{\"scheduler\": {\"causes\": \"x\", \"digest\": [], \"counted\": 7, \"msg\": {}}}'"),
        "SCHEDULED"),
    Row("a record of failures that is not what it says", SESSION.format(
        "status_data = '{\"scheduler\": {\"causes\": [7, {\"kind\": {}}, null], \"counted\": \"::::\"}}'"), "SCHEDULED"),
    Row("a record of a million letters",
        SESSION.format("status_data = jsonb_build_object('scheduler', jsonb_build_object('msg', repeat('m', 1000000)))"),
        "SCHEDULED"),
    Row("options of five hundred levels", SESSION.format("options = (repeat('[', 500) || repeat(']', 500))::jsonb"), "SCHEDULED"),
    bad_data("an empty session type", SESSION.format("session_type = ''"), "session_type \"\""),
    bad_data("an empty cluster mode", SESSION.format("cluster_mode = ''"), "cluster_mode \"\""),
    bad_data("less than no retries", SESSION.format("status_data = '{\"scheduler\": {\"retries\": -3}}'"), "retries", then="SCHEDULED"),
    Row("a created_at before Christ", SESSION.format("created_at = '4000-01-01 00:00:00+00 BC'"), "SCHEDULED"),
    Row("a created_at in two hundred thousand years", SESSION.format("created_at = '200000-01-01 00:00:00+00'"), "SCHEDULED"),
    Row("a PENDING stamp that is yet to come",
        SESSION.format("status_history = '{\"PENDING\": \"9999-12-31T23:59:59.999999+00:00\"}'"), "SCHEDULED"),
    Row("a batch that should have started before Christ",
        SESSION.format("session_type = 'BATCH', requested_starts_at = '4000-01-01 00:00:00+00 BC'"), "SCHEDULED"),
    Row("fifty thousand designated agents",
        SESSION.format("options = '{\"agent_selection_policy\": \"strict\"}', designated_agent_ids = "
                       "(SELECT array_agg('x' || n) FROM generate_series(1, 50000) n) || ARRAY[$other::varchar]"), "SCHEDULED"),
    Row("designated agents in two dimensions",
        SESSION.format("options = '{\"agent_selection_policy\": \"strict\"}', "
                       "designated_agent_ids = ARRAY[ARRAY['x', 'y'], ARRAY['z', $other]]"), "SCHEDULED"),
    Row("the same designated agent three times",
        SESSION.format("options = '{\"agent_selection_policy\": \"strict\"}', "
                       "designated_agent_ids = ARRAY[$other, $other, $other]"), "SCHEDULED"),
    Row("a session group that is not there", SESSION.format("session_group_id = t.id('nowhere')"), "SCHEDULED"),
    Row("a status that nobody knows", SESSION.format("status = 'DREAMING'"), "ABSENT"),
    Row("a NULL status", SESSION.format("status = NULL"), "ABSENT"),
    Row("no scaling group", SESSION.format("resource_group_id = NULL"), "ABSENT"),
]

KERNELS = [
    Row("a session without kernels", "DELETE FROM kernels WHERE id = $kernel", "INVALID", "NO_KERNELS"),
    Row("a kernel without session", KERNEL.format("session_id = NULL"), "INVALID", "NO_KERNELS"),
    bad_data("a kernel that runs already", KERNEL.format("status = 'RUNNING'"), "status is RUNNING"),
    bad_data("a kernel that is over", KERNEL.format("status = 'CANCELLED'"), "status is CANCELLED"),
    bad_data("a kernel of a status that nobody knows", KERNEL.format("status = 'ODD'"), "status is ODD"),
    bad_data("a kernel without architecture", KERNEL.format("architecture = NULL"), "architecture is NULL"),
    bad_data("a kernel without role", KERNEL.format("cluster_role = NULL"), "cluster_role is NULL"),
    bad_data("a kernel without index", KERNEL.format("cluster_idx = NULL"), "cluster_idx is NULL"),
    bad_data("a kernel of another scaling group", KERNEL.format("resource_group_id = t.id('nowhere')"),
             "resource_group_id"),
    bad_data("a ledger row that is in use", "UPDATE resource_allocations SET used_at = now() WHERE kernel_id = $kernel",
             "used_at"),
    bad_data("a request for a slot without a name",
             "INSERT INTO resource_allocations (kernel_id, slot_name, requested) VALUES ($kernel, '', 1)", "unknown or disabled"),
    Row("the greatest index there is", KERNEL.format("cluster_idx = 2147483647"), "SCHEDULED"),
    Row("the least index there is", KERNEL.format("cluster_idx = -2147483648"), "SCHEDULED"),
    Row("two main kernels with one index",
        copy("kernels", "id = $kernel", id="t.id('twin$i')") + "INSERT INTO resource_allocations (kernel_id, slot_name, requested) "
        "SELECT t.id('twin$i'), slot_name, requested FROM resource_allocations WHERE kernel_id = $kernel", "SCHEDULED"),
    Row("a kernel of a session that is not there",
        copy("kernels", "id = $kernel", id="t.id('twin$i')", session_id="t.id('nowhere')"), "SCHEDULED"),
    Row("a ledger row of a kernel that is not there",
        "INSERT INTO resource_allocations (kernel_id, slot_name, requested) VALUES (t.id('nowhere$i'), 'cpu', 'NaN')",
        "SCHEDULED"),
    Row("an empty architecture", KERNEL.format("architecture = ''"), "INFEASIBLE", "ARCHITECTURE"),
    Row("an architecture that nobody has", KERNEL.format("architecture = 'z80'"), "INFEASIBLE", "ARCHITECTURE"),
    bad_data("a request that is NaN", LEDGER.format("'NaN'", "'cpu'"), "requested is not a number"),
    bad_data("a negative request", LEDGER.format("-1", "'cpu'"), "requested is negative"),
    bad_data("a request for half a byte", LEDGER.format("0.5", "'mem'"), "not a whole number of bytes"),
    bad_data("a NULL request", LEDGER.format("NULL", "'cpu'"), "requested is NULL"),
    bad_data("a request for a slot that nobody knows",
             "INSERT INTO resource_allocations (kernel_id, slot_name, requested) VALUES ($kernel, 'magic', 1)",
             "magic"),
    bad_data("no row in the ledger", "DELETE FROM resource_allocations WHERE kernel_id = $kernel",
             "there is no live row"),
    bad_data("a ledger row that holds already",
             "UPDATE resource_allocations SET reserved_at = now() WHERE kernel_id = $kernel", "reserved_at"),
    Row("the greatest request there is", LEDGER.format(HUGE, "'cpu'"), "INFEASIBLE", "INFEASIBLE"),
    Row("a request for nothing at all", LEDGER.format("0", "'cpu'") + "; " + LEDGER.format("0", "'mem'"), "SCHEDULED"),
]

# The bad agent is left alone: both sessions fit on the other one.
AGENTS = [
    Row("an agent without address", AGENT.format("addr = NULL"), "SCHEDULED"),
    Row("an agent without architecture", AGENT.format("architecture = NULL"), "SCHEDULED"),
    Row("an agent without status", AGENT.format("status = NULL"), "SCHEDULED"),
    Row("a negative capacity", RESOURCE.format("capacity = -1", "'cpu'"), "SCHEDULED"),
    Row("a capacity that is NaN", RESOURCE.format("capacity = 'NaN'", "'cpu'"), "SCHEDULED"),
    Row("a NULL capacity", RESOURCE.format("capacity = NULL", "'cpu'"), "SCHEDULED"),
    Row("a capacity below what is used", RESOURCE.format("used = 99", "'cpu'"), "SCHEDULED"),
    Row("a negative reservation", RESOURCE.format("reserved = -5", "'cpu'"), "SCHEDULED"),
    Row("a use that is NaN", RESOURCE.format("used = 'NaN'", "'mem'"), "SCHEDULED"),
    Row("a reservation for later that is NaN", RESOURCE.format("prereserved = 'NaN'", "'cpu'"), "SCHEDULED"),
    Row("a NULL use", RESOURCE.format("used = NULL", "'cpu'"), "SCHEDULED"),
    Row("a capacity of half a byte", RESOURCE.format("capacity = 0.5", "'mem'"), "SCHEDULED"),
    Row("counters that are more than can be counted together",
        RESOURCE.format(f"reserved = {HUGE}, prereserved = {HUGE}, used = {HUGE}", "'mem'"), "SCHEDULED"),
    Row("an empty address", AGENT.format("addr = ''") + "; " + "UPDATE agents SET addr = '' WHERE id = $other", "SCHEDULED"),
    Row("an address of other letters", "UPDATE agents SET addr = 'tcp://\u0434\u043e\u043c:1' WHERE id = $other", "SCHEDULED"),
    Row("resources of an agent that is not there",
        "INSERT INTO agent_resources (agent_id, slot_name, capacity) VALUES ('ghost$i', 'cpu', 'NaN')", "SCHEDULED"),
    Row("an agent without a name",
        "UPDATE agents SET id = '' WHERE id = $agent; UPDATE agent_resources SET agent_id = '' WHERE agent_id = $agent",
        "SCHEDULED"),
    Row("an agent with nothing", "DELETE FROM agent_resources WHERE agent_id = $agent", "SCHEDULED"),
    Row("an agent with a slot that nobody knows",
        "UPDATE agents SET schedulable = false WHERE id = $agent; "
        "INSERT INTO agent_resources (agent_id, slot_name, capacity) VALUES ($other, 'magic', 'NaN')", "SCHEDULED"),
    Row("the greatest capacity there is", RESOURCE.format(f"capacity = {HUGE}", "'mem'"), "SCHEDULED"),
]

OWNERS = [
    Row("no keypair", "DELETE FROM keypairs WHERE access_key = $key", "BLOCKED", "OWNER_NOT_FOUND", "was not found"),
    Row("no user", "DELETE FROM users WHERE uuid = $user", "BLOCKED", "OWNER_NOT_FOUND", "was not found"),
    Row("no project", SESSION.format("group_id = t.id('nowhere')"), "BLOCKED", "OWNER_NOT_FOUND", "was not found"),
    Row("no domain", SESSION.format("domain_name = 'nowhere'"), "BLOCKED", "OWNER_NOT_FOUND", "was not found"),
    Row("a keypair of a policy that is not there", "UPDATE keypairs SET resource_policy = 'none' WHERE access_key = $key",
        "BLOCKED", "OWNER_NOT_FOUND", "was not found"),
    Row("a policy that is an array", POLICY.format("total_resource_slots = '[]'"), "BLOCKED", "BAD_DATA",
        "is not an object"),
    Row("a limit that is no amount", POLICY.format("total_resource_slots = '{\"cpu\": \"many\"}'"), "BLOCKED", "BAD_DATA",
        "cpu \"many\""),
    Row("a negative limit", POLICY.format("total_resource_slots = '{\"cpu\": -1}'"), "BLOCKED", "BAD_DATA", "is negative"),
    Row("a limit that is NaN", POLICY.format("total_resource_slots = '{\"cpu\": \"NaN\"}'"), "BLOCKED", "BAD_DATA",
        "is not a number"),
    Row("a limit that is an object", POLICY.format("total_resource_slots = '{\"cpu\": {}}'"), "BLOCKED", "BAD_DATA", "cpu"),
    Row("an empty limit", POLICY.format("total_resource_slots = '{\"cpu\": \"\"}'"), "BLOCKED", "BAD_DATA", "cpu"),
    Row("a limit of sixty digits", POLICY.format("total_resource_slots = jsonb_build_object('cpu', repeat('9', 60))"),
        "SCHEDULED"),
    Row("an infinite limit", POLICY.format("total_resource_slots = '{\"cpu\": \"Infinity\"}'"), "SCHEDULED"),
    Row("a limit that is JSON null", POLICY.format("total_resource_slots = '{\"cpu\": null}'"), "SCHEDULED"),
    Row("NULL limits", POLICY.format("total_resource_slots = NULL"), "SCHEDULED"),
    Row("a domain's limits that are a list",
        copy("domains", "name = $domain", id="t.id('x$i')", name="'x$i'", total_resource_slots="jsonb '[1]'")
        + SESSION.format("domain_name = 'x$i'"), "BLOCKED", "BAD_DATA", "is not an object"),
    Row("a project's limits that are a text",
        copy("groups", "id = $project", id="t.id('x$i')", name="'x$i'", total_resource_slots="jsonb '\"x\"'")
        + SESSION.format("group_id = t.id('x$i')"), "BLOCKED", "BAD_DATA", "is not an object"),
    Row("an empty access key", SESSION.format("access_key = ''"), "BLOCKED", "OWNER_NOT_FOUND", "keypair \"\""),
    Row("an access key of other letters", SESSION.format("access_key = '\u043a\u043b\u044e\u0447'"), "BLOCKED",
        "OWNER_NOT_FOUND", "\u043a\u043b\u044e\u0447"),
    Row("a main key that is not there", "UPDATE users SET main_access_key = 'none' WHERE uuid = $user", "BLOCKED",
        "OWNER_NOT_FOUND", "was not found"),
    Row("what its owner runs cannot be counted",
        "SELECT t.session('run$i', $i, 'B$i', now()); UPDATE sessions SET status = 'RUNNING' WHERE id = t.id('run$i'); "
        "UPDATE kernels SET status = 'RUNNING', agent = $agent, domain_name = 'nowhere', group_id = t.id('nowhere') "
        "WHERE session_id = t.id('run$i'); "
        "UPDATE resource_allocations SET used = 'NaN' WHERE kernel_id = t.id('run$i/1') AND slot_name = 'cpu'", "BLOCKED",
        "BAD_DATA", "used is not a number"),
    Row("a limit of another planet", POLICY.format("total_resource_slots = '{\"magic\": \"many\"}'"), "SCHEDULED"),
    Row("a limit below what is asked", POLICY.format("total_resource_slots = '{\"cpu\": \"0.5\"}'"), "BLOCKED",
        "KEYPAIR_QUOTA"),
    Row("a NULL default for unnamed slots", POLICY.format("default_for_unspecified = NULL"), "BLOCKED", "BAD_DATA",
        "default_for_unspecified"),
    Row("a negative number of sessions", POLICY.format("max_concurrent_sessions = -7"), "SCHEDULED"),
    Row("a pending limit that is a text", POLICY.format("max_pending_session_resource_slots = '\"x\"'"), "BLOCKED",
        "BAD_DATA", "is not an object"),
]

DEPENDENCIES = [
    Row("a session that waits for itself", "INSERT INTO session_dependencies VALUES ($bad, $bad)", "BLOCKED",
        "DEPENDENCY"),
    Row("two sessions that wait for each other",
        "SELECT t.session('twin$i', $i, 'B$i', now()); "
        "INSERT INTO session_dependencies VALUES ($bad, t.id('twin$i')), (t.id('twin$i'), $bad)", "BLOCKED", "DEPENDENCY"),
    Row("a session that waits for none that exists",
        "INSERT INTO session_dependencies VALUES ($bad, t.id('nobody'))", "BLOCKED", "DEPENDENCY_FAILED"),
    Row("three sessions that wait for each other",
        "SELECT t.session('twin$i', $i, 'B$i', now()), t.session('third$i', $i, 'B$i', now()); INSERT INTO session_dependencies "
        "VALUES ($bad, t.id('twin$i')), (t.id('twin$i'), t.id('third$i')), (t.id('third$i'), $bad)", "BLOCKED", "DEPENDENCY"),
    Row("a session that waits for five thousand that do not exist",
        "INSERT INTO session_dependencies SELECT $bad, t.id('nobody' || n) FROM generate_series(1, 5000) n", "BLOCKED",
        "DEPENDENCY_FAILED", "more"),
    Row("the same name twice", "SELECT t.session('twin$i', $i, 'B$i', now()); "
        "UPDATE sessions SET name = 'twin' WHERE id IN ($bad, t.id('twin$i'))", "SCHEDULED"),
    Row("a designated agent that is not there",
        SESSION.format("designated_agent_ids = '{nowhere}', options = '{\"agent_selection_policy\": \"strict\"}'"),
        "INFEASIBLE", "DESIGNATED"),
]

# What is wrong with the group itself: it says so, and all the others go on.
GROUPS = [
    Row("a scheduler that nobody knows", GROUP.format("scheduler = 'roulette'"), "REFUSED", "UNKNOWN_SCHEDULER",
        "roulette"),
    Row("no scheduler", GROUP.format("scheduler = NULL"), "REFUSED", "UNKNOWN_SCHEDULER", "no scheduler \"\""),
    Row("options that are a list", GROUP.format("scheduler_opts = '[]'"), "REFUSED", "BAD_SCHEDULER_OPTIONS",
        "not a JSON object"),
    Row("a strategy that is a number", GROUP.format("scheduler_opts = '{\"agent_selection_strategy\": 7}'"), "REFUSED",
        "BAD_SCHEDULER_OPTIONS", "agent_selection_strategy"),
    Row("a timeout that is no duration", GROUP.format("scheduler_opts = '{\"pending_timeout\": \"soon\"}'"), "REFUSED",
        "BAD_SCHEDULER_OPTIONS", "pending_timeout"),
    Row("a negative timeout", GROUP.format("scheduler_opts = '{\"pending_timeout\": -1}'"), "SCHEDULED"),
    Row("a configuration that is a list", GROUP.format("scheduler_opts = '{\"config\": [1]}'"), "REFUSED",
        "BAD_SCHEDULER_OPTIONS", "config"),
    Row("an empty scheduler", GROUP.format("scheduler = ''"), "REFUSED", "UNKNOWN_SCHEDULER", "no scheduler \"\""),
    Row("a strategy that is JSON null", GROUP.format("scheduler_opts = '{\"agent_selection_strategy\": null}'"), "SCHEDULED"),
    Row("options that are JSON null", GROUP.format("scheduler_opts = 'null'"), "SCHEDULED"),
    Row("NULL options", GROUP.format("scheduler_opts = NULL"), "SCHEDULED"),
    Row("an option that is a number beyond all", GROUP.format("scheduler_opts = '{\"config\": {\"x\": 1e40}}'"), "SCHEDULED"),
]

ROWS = SESSIONS + KERNELS + AGENTS + OWNERS + DEPENDENCIES + GROUPS
