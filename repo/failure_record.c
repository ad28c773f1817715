/* failure_record.c - see failure_record.h. */
#include "repo/failure_record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/intern.h"

enum { CARRY_LEAST = 64, GROUP_DIGITS = 8, DIGEST_DIGITS = 16 };

uint64_t failure_digest(const struct decision *d)
{
    uint64_t h = hash_mix(hash_mix(1, d->outcome), d->passed);
    for (uint32_t i = 0; i < d->n_causes; i++) {
        const struct cause *c = &d->causes[i];
        h = hash_mix(h, c->kind);
        h = hash_text(h, c->plugin);
        h = hash_text(h, c->subject != NULL ? c->subject : "");
        h = hash_text(h, c->message);
        h = hash_mix(h, c->retryable);
        for (uint32_t k = 0; k < c->n_slots; k++) {
            h = hash_mix(h, c->slots[k].slot);
            h = hash_mix(h, (uint64_t)c->slots[k].requested);
            h = hash_mix(h, (uint64_t)c->slots[k].available);
            h = hash_mix(h, (uint64_t)c->slots[k].limit);
        }
    }
    return h != 0 ? h : 1;
}

bool failure_is_recorded(const struct snapshot *s, const struct decision *d)
{
    const struct session *session = &s->sessions[d->session];
    /* the rows of a queue that failed together are not all refreshed in one round */
    const int32_t most = CARRY_LEAST + session->id.b[sizeof(session->id.b) - 1] % CARRY_LEAST;
    return session->rare->record_digest != 0 && session->rare->carried < most - 1 &&
           session->rare->record_digest == failure_digest(d);
}

static void group_digits(const struct uuid *group_id, char ret[GROUP_DIGITS + 1])
{
    char text[UUID_TEXT];
    memcpy(ret, uuid_format(group_id, text), GROUP_DIGITS);
    ret[GROUP_DIGITS] = '\0';
}

const char *failure_counted(const struct uuid *group_id, int64_t failure_rounds, uint64_t digest,
                            struct arena *a)
{
    char group[GROUP_DIGITS + 1];
    group_digits(group_id, group);
    return arena_printf(a, "%s:%" PRId64 ":%016" PRIx64, group, failure_rounds, digest);
}

void failure_counted_read(const char *text, const struct uuid *group_id, int64_t failure_rounds,
                          struct session *s, struct session_rare *rare)
{
    char group[GROUP_DIGITS + 1], *end = NULL;
    group_digits(group_id, group);
    if (text == NULL || strncmp(text, group, GROUP_DIGITS) != 0 || text[GROUP_DIGITS] != ':')
        return;
    const char *count = text + GROUP_DIGITS + 1;
    errno = 0;
    const long long then = strtoll(count, &end, 10);
    if (errno != 0 || end == count || *end != ':' || strlen(end + 1) != DIGEST_DIGITS ||
        strspn(end + 1, "0123456789abcdef") != DIGEST_DIGITS || then < 0 || then > failure_rounds)
        return;
    const int64_t most = INT32_MAX - 1 - s->retries;
    const int64_t carried = failure_rounds - then;
    rare->record_digest = strtoull(end + 1, NULL, 16);
    rare->carried = (int32_t)(carried < most ? carried : most);
    s->retries += rare->carried;
}

bool failure_recount(struct session *s, struct session_rare *rare, int64_t more)
{
    if (rare->record_digest == 0)
        return rare->carried == 0;
    const int32_t stored = s->retries - rare->carried;
    const int64_t most = INT32_MAX - 1 - stored;
    if (more < 0 || rare->carried >= most) /* more had been carried than is said */
        return false;
    const int64_t carried = more < most - rare->carried ? rare->carried + more : most;
    rare->carried = (int32_t)carried;
    s->retries = stored + rare->carried;
    return true;
}
