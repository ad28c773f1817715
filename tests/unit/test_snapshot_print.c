/* test_snapshot_print.c - the sample's snapshot and plan as a person reads them: sorted, remapped.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "scheduler/snapshot_file.h"
#include "scheduler/snapshot_text.h"
#include "tests/unit/sample.h"
#include "tests/unit/unit.h"

static const char snapshot_text[] =
    "group \"default\" 00000000-0000-0000-0000-000000000001\n"
    "  observed_at 400000000\n"
    "  scheduler \"drf\"\n"
    "  strategy \"roundrobin\"\n"
    "  pending_timeout 3600000000\n"
    "  option \"fifo.num_retries_to_skip\" = \"\\\"2\\\"\"\n"
    "  option \"num_retries_to_skip\" = \"3\"\n"
    "slot cpu count rank 10\n"
    "slot mem bytes rank 20\n"
    "slot cuda.device count rank 30\n"
    "slot cuda.shares count rank 30\n"
    "arch aarch64\n"
    "arch old\n"
    "arch s390x\n"
    "arch x86_64\n"
    "agent \"a1\" x86_64 alive schedulable containers 0 addr \"tcp://a1:6001\" bad_data "
    "\"agent_resources \\\"a1\\\": capacity is negative\" capacity cpu=16\n"
    "agent \"a10\" aarch64 alive containers 0 capacity cpu=4 mem=8589934592\n"
    "agent \"a2\" x86_64 alive schedulable containers 3 addr \"tcp://a2:6001\" capacity cpu=8 "
    "mem=34359738368 cuda.shares=2 held cpu=0.5\n"
    "agent \"\xC3\xA9t\xC3\xA9\" x86_64 schedulable containers 0 capacity "
    "cuda.shares=9223372036854.775806\n"
    "keypair \"AK1\" version 17 sessions 4 of 5 sftp 1 of -1 max_pending 0 limit cpu=0 usage "
    "mem=1024 group_usage mem=512 has_pending_limit pending_limit cpu=0.000012\n"
    "keypair \"AK2\" missing \"keypair \\\"AK2\\\"\" version 0 sessions 0 of 0 sftp 0 of 0\n"
    "user \"default\" version 0 limit cpu=0.000003 usage mem=3\n"
    "user \"u1\" bad_data \"limit cannot be read\" version 0 limit cpu=9223372036854.775806 usage "
    "mem=9223372036854775806\n"
    "project \"p1\" name \"research\" version 0 limit cpu=100 usage mem=5\n"
    "domain \"default\" version 0 usage mem=77\n"
    "session_group 00000000-0000-0000-0000-00000000003c pack\n"
    "  4 on \"a2\"\n"
    "session_group 00000000-0000-0000-0000-00000000003d spread strict\n"
    "  1 on \"a1\"\n"
    "  5 on \"a2\"\n"
    "session 00000000-0000-0000-0000-00000000000a inference single-node priority -2147483648 "
    "retries 2147483647 name \"bad \\\"row\\\"\\n\" bad_data \"kernels 21: requested of "
    "\\\"cpu\\\" is "
    "negative\"\n"
    "  created_at -5 pending_since 9223372036854775807 starts_at -9223372036854775807\n"
    "  owners keypair \"AK2\" user \"default\" project \"p1\" domain \"default\"\n"
    "session 00000000-0000-0000-0000-00000000000c system single-node priority 0 retries 0 name "
    "\"same time\"\n"
    "  created_at 100000000 pending_since 0\n"
    "  session_group 00000000-0000-0000-0000-00000000003c\n"
    "  owners keypair \"AK1\" user \"default\" project \"p1\" domain \"default\"\n"
    "  kernel 00000000-0000-0000-0000-000000000014 main1 s390x request cpu=0.000005 mem=6\n"
    "session 00000000-0000-0000-0000-00000000000d batch single-node priority -5 retries 7\n"
    "  created_at 100000000 pending_since 100000000 starts_at 500000000 cause_digest "
    "fedcba9876543210\n"
    "  designated_strict\n"
    "  owners keypair \"AK2\" user \"u1\" project \"p1\" domain \"default\"\n"
    "  kernel 00000000-0000-0000-0000-00000000001a main-1 x86_64 request cpu=9223372036854.775806 "
    "mem=9223372036854775806\n"
    "  dependency 00000000-0000-0000-0000-00000000001f done null\n"
    "  dependency 00000000-0000-0000-0000-000000000021 failed \"third\"\n"
    "  designated \"z\"\n"
    "  designated \"a2\"\n"
    "session 00000000-0000-0000-0000-00000000000b interactive multi-node priority 10 retries 0 "
    "name "
    "\"late\" creation_id \"c-1\"\n"
    "  created_at 300000000 pending_since 301000000\n"
    "  session_group 00000000-0000-0000-0000-00000000003d\n"
    "  owners keypair \"AK1\" user \"u1\" project \"p1\" domain \"default\"\n"
    "  kernel 00000000-0000-0000-0000-000000000019 main9 x86_64 request cpu=1 mem=4\n"
    "  kernel 00000000-0000-0000-0000-000000000017 sub1 aarch64 request cpu=1 mem=3\n"
    "  kernel 00000000-0000-0000-0000-000000000016 sub2 x86_64 request cpu=1 mem=2\n"
    "  kernel 00000000-0000-0000-0000-000000000018 sub2 x86_64 request cpu=1 mem=1\n"
    "  dependency 00000000-0000-0000-0000-000000000020 waiting \"second\"\n"
    "  designated \"a1\"\n"
    "other_pending 00000000-0000-0000-0000-000000000035 keypair \"AK1\" created_at 100 request "
    "cpu=0.000003\n"
    "other_pending 00000000-0000-0000-0000-000000000033 keypair \"AK1\" created_at 200 request "
    "cpu=0.000001\n"
    "other_pending 00000000-0000-0000-0000-000000000034 keypair \"AK1\" created_at 200 request "
    "cpu=0.000004\n"
    "other_pending 00000000-0000-0000-0000-000000000036 keypair \"AK2\" created_at 50 request "
    "cpu=0.000002\n"
    "cursor aarch64 after \"a10\"\n"
    "cursor old after \"a3\"\n"
    "cursor x86_64 after \"a0\"\n";

static const char plan_text[] =
    "plan HASH SCHEDULED 1 WAITING 2 INVALID 1\n"
    "validators reserved_batch curfew\n"
    "00000000-0000-0000-0000-00000000000a INVALID passed 0 name \"bad \\\"row\\\"\\n\"\n"
    "  cause BAD_DATA by snapshot about \"10\": \"A row is bad.\"\n"
    "00000000-0000-0000-0000-00000000000d WAITING passed 1ff\n"
    "  cause CAPACITY by resources about \"a2\", retryable: \"No room \\\"now\\\".\"\n"
    "    cpu requested 5 available 0.5 limit 8\n"
    "    mem requested 7 limit Infinity\n"
    "  cause PLUGIN by curfew: \"\"\n"
    "00000000-0000-0000-0000-00000000000b SCHEDULED passed ffffffffffffffff name \"late\"\n"
    "  00000000-0000-0000-0000-000000000019 main9 on \"a1\"\n"
    "  00000000-0000-0000-0000-000000000017 sub1 on \"a10\"\n"
    "  00000000-0000-0000-0000-000000000016 sub2 on \"a2\"\n"
    "  00000000-0000-0000-0000-000000000018 sub2 on \"\xC3\xA9t\xC3\xA9\"\n"
    "00000000-0000-0000-0000-00000000000c WAITING passed 0 name \"same time\"\n"
    "  cause CAPACITY by resources about \"a2\", retryable: \"No room \\\"now\\\".\"\n"
    "    cpu requested 5 available 0.5 limit 8\n"
    "    mem requested 7 limit Infinity\n"
    "cursor aarch64 after \"a10\"\n"
    "cursor old after \"gone\"\n";

START_TEST(snapshot_is_printed_line_by_line)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const char *got = snapshot_print(sample_snapshot(a, 0), a);
    ck_assert_msg(strcmp(got, snapshot_text) == 0, "%s", sample_difference(got, snapshot_text));
}
END_TEST

START_TEST(snapshot_print_tells_bad_options)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct snapshot_builder *b = builder_create(a);
    builder_group(b, &(struct snapshot){.bad_options = "no object"});
    builder_session_group(b, &(struct session_group){.id = sample_id(1)});
    const char *want = "group \"\" 00000000-0000-0000-0000-000000000000\n"
                       "  observed_at 0\n"
                       "  scheduler \"fifo\"\n"
                       "  strategy \"dispersed\"\n"
                       "  pending_timeout 0\n"
                       "  bad_options \"no object\"\n"
                       "session_group 00000000-0000-0000-0000-000000000001 none\n";
    const char *got = snapshot_print(builder_finish(b), a);
    ck_assert_msg(strcmp(got, want) == 0, "%s", sample_difference(got, want));
}
END_TEST

START_TEST(plan_is_printed_line_by_line)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = sample_snapshot(a, 0);
    struct plan *p = sample_plan(s, a);
    char *got = plan_print(s, p, a);
    char hash[17];
    snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)p->hash);
    ck_assert_msg(strncmp(got, "plan ", 5) == 0 && strncmp(got + 5, hash, 16) == 0, "%.30s", got);
    const char *want = plan_text + strlen("plan HASH");
    got += strlen("plan ") + 16;
    ck_assert_msg(strcmp(got, want) == 0, "%s", sample_difference(got, want));
}
END_TEST

START_TEST(plan_print_tells_where_the_round_stopped)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = sample_snapshot(a, 0);
    struct plan *p = sample_plan(s, a);
    p->stopped = true;
    const char *got = plan_print(s, p, a);
    ck_assert_msg(strstr(got, " INVALID 1 stopped after 0\n") != NULL, "%.80s", got);
}
END_TEST

static const struct {
    const char *what, *text, *quoted, *word;
} quotes[] = {
    {"no text", NULL, "null", "null"},
    {"an empty text", "", "\"\"", "\"\""},
    {"quotes and backslashes", "a\"\\", "\"a\\\"\\\\\"", "\"a\\\"\\\\\""},
    {"control characters", "\n\t\x7F\x1B", "\"\\n\\x09\\x7F\\x1B\"", "\"\\n\\x09\\x7F\\x1B\""},
    {"a blank", "a b", "\"a b\"", "\"a b\""},
    {"letters beyond ASCII", "\xC3\xA9", "\"\xC3\xA9\"", "\"\xC3\xA9\""},
    {"a plain word", "cuda.device-0_A", "\"cuda.device-0_A\"", "cuda.device-0_A"},
};

START_TEST(text_is_quoted_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct text_out quoted = {.arena = a};
    struct text_out word = {.arena = a};
    text_quote(&quoted, quotes[_i].text);
    text_word(&word, quotes[_i].text);
    ck_assert_msg(strcmp(quoted.text, quotes[_i].quoted) == 0, "%s: %s", quotes[_i].what,
                  quoted.text);
    ck_assert_msg(strcmp(word.text, quotes[_i].word) == 0, "%s: %s", quotes[_i].what, word.text);
}
END_TEST

START_TEST(text_put_aborts_when_a_piece_is_too_long)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct text_out o = {.arena = a};
    text_put(&o, "%0512d", 1);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test_raise_signal(tc, text_put_aborts_when_a_piece_is_too_long, SIGABRT);
    tcase_add_loop_test(tc, text_is_quoted_as_tabled, 0, (int)ARRAY_SIZE(quotes));
    tcase_add_test(tc, snapshot_is_printed_line_by_line);
    tcase_add_test(tc, snapshot_print_tells_bad_options);
    tcase_add_test(tc, plan_is_printed_line_by_line);
    tcase_add_test(tc, plan_print_tells_where_the_round_stopped);
}

int main(void)
{
    return unit_run("snapshot_print", add);
}
