/* test_opaque.c - texts a client keeps for us: cursors, page tokens, keys of stored answers. No
 * server, no database. */
#include <check.h>
#include <string.h>

#include "server/answer.h"
#include "server/convert.h"
#include "server/cursor.h"
#include "server/opaque.h"
#include "server/page_token.h"
#include "tests/rpc/values.h"

/* --- opaque texts ------------------------------------------------------------------------------
 */

static char *good_text(void)
{
    struct opaque_writer w;
    opaque_begin(&w, OPAQUE_CURSOR, arena);
    opaque_put_number(&w, 300);
    opaque_put_bytes(&w, "ab", 2);
    return opaque_end(&w);
}

static const struct {
    const char *what, *text;
} bad_texts[] = {
    {"the empty text", ""},
    {"one character", "A"},
    {"padding", "AQ=="},
    {"the other alphabet", "AQ+/AQ+/"},
    {"a space inside", "AQAA AAAA"},
    {"zeros", "AAAAAAAAAA"},
    {"a format of the future", "CQAAAAAAAA"},
};

START_TEST(opaque_refuses_a_text_it_did_not_make)
{
    struct opaque_reader r;
    ck_assert_msg(!opaque_open(&r, OPAQUE_CURSOR, bad_texts[_i].text, arena), "%s was accepted",
                  bad_texts[_i].what);
}
END_TEST

START_TEST(opaque_refuses_every_cut_and_every_changed_character)
{
    const char *good = good_text();
    struct opaque_reader r;
    for (size_t i = 0; i < strlen(good); i++) {
        char *cut = arena_strndup(arena, good, i);
        char *changed = arena_strdup(arena, good);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        ck_assert_msg(!opaque_open(&r, OPAQUE_CURSOR, cut, arena), "cut to %zu: accepted", i);
        ck_assert_msg(!opaque_open(&r, OPAQUE_CURSOR, changed, arena), "changed at %zu: accepted",
                      i);
    }
    ck_assert_msg(!opaque_open(&r, OPAQUE_PAGE_TOKEN, good, arena), "other format: accepted");
}
END_TEST

START_TEST(opaque_gives_back_what_was_put_in)
{
    static const uint64_t numbers[] = {0, 1, 127, 128, 16383, 16384, INT64_MAX, UINT64_MAX};
    uint8_t bytes[300];
    for (size_t len = 0; len <= sizeof(bytes); len += 7) {
        struct opaque_writer w;
        struct opaque_reader r;
        const uint8_t *back;
        size_t back_len;
        uint64_t number;
        memset(bytes, (int)len, sizeof(bytes));
        opaque_begin(&w, OPAQUE_CURSOR, arena);
        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
            opaque_put_number(&w, numbers[i]);
        opaque_put_bytes(&w, bytes, len);
        ck_assert_msg(opaque_open(&r, OPAQUE_CURSOR, opaque_end(&w), arena), "%zu: refused", len);
        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
            ck_assert_msg(opaque_get_number(&r, &number) && number == numbers[i], "number %zu", i);
        ck_assert_msg(!opaque_at_end(&r), "%zu: at the end too early", len);
        ck_assert_msg(opaque_get_bytes(&r, &back, &back_len) && back_len == len &&
                          memcmp(back, bytes, len) == 0,
                      "%zu bytes differ", len);
        ck_assert_msg(opaque_at_end(&r) && !opaque_get_number(&r, &number) &&
                          !opaque_get_bytes(&r, &back, &back_len),
                      "%zu: more than was put in", len);
    }
}
END_TEST

/* --- cursors and page tokens -------------------------------------------------------------------
 */

static const struct {
    const char *what;
    struct cursor_entry entries[2];
    uint32_t n;
} bad_cursors[] = {
    {"groups out of order", {{"b", 1}, {"a", 1}}, 2},
    {"a group twice", {{"a", 1}, {"a", 2}}, 2},
    {"a group without a name", {{"", 1}}, 1},
    {"a negative sequence", {{"a", -1}}, 1},
};

START_TEST(cursor_refuses_entries_that_it_would_not_write)
{
    struct err e = {.code = ERR_NONE};
    struct cursor_entry *entries;
    uint32_t n;
    const char *text = cursor_encode(bad_cursors[_i].entries, bad_cursors[_i].n, arena);
    assert_refused(cursor_decode("resume_cursor", text, arena, &entries, &n, &e), &e, "BAD_CURSOR",
                   "resume_cursor", bad_cursors[_i].what);
}
END_TEST

START_TEST(cursor_refuses_foreign_texts)
{
    static const char *const texts[] = {"", "x", "latest", "AQAAAAAAAAAA"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct err e = {.code = ERR_NONE};
        struct cursor_entry *entries;
        uint32_t n;
        assert_refused(cursor_decode("resume_cursor", texts[i], arena, &entries, &n, &e), &e,
                       "BAD_CURSOR", "resume_cursor", texts[i]);
    }
}
END_TEST

START_TEST(cursor_gives_back_its_groups_and_knows_no_others)
{
    static const struct cursor_entry in[] = {
        {"\xc3\xa4pfel", 0}, {"\xed\x95\x9c", INT64_MAX}, {"\xf0\x9f\x9a\xa2", 77}};
    struct err e = {.code = ERR_NONE};
    struct cursor_entry *out;
    uint32_t n;
    const char *text = cursor_encode(in, ARRAY_SIZE(in), arena);
    ck_assert_msg(cursor_decode("f", text, arena, &out, &n, &e) == 0, "%s", e.message);
    ck_assert_uint_eq(n, ARRAY_SIZE(in));
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(cursor_find(out, n, in[i].group) == in[i].sequence, "group %zu", i);
    ck_assert_int_eq(cursor_find(out, n, "a"), -1);
    ck_assert_int_eq(cursor_find(out, n, "\xff"), -1);
    ck_assert_int_eq(cursor_find(NULL, 0, "a"), -1);
    ck_assert_str_eq(text, cursor_encode(out, n, arena));
    ck_assert_msg(!cursor_is_after_gap(text, arena), "a cursor knows of a gap");
    const char *after = cursor_encode_after_gap(in, ARRAY_SIZE(in), arena);
    ck_assert_msg(cursor_is_after_gap(after, arena), "a cursor after a gap does not know of it");
    ck_assert_msg(cursor_decode("f", after, arena, &out, &n, &e) == 0, "%s", e.message);
    ck_assert_str_eq(text, cursor_encode(out, n, arena));
    ck_assert_msg(!cursor_is_after_gap("", arena), "no cursor knows of a gap");
}
END_TEST

START_TEST(page_token_belongs_to_its_request)
{
    Berth__V1__ListPendingSessionsRequest a = BERTH__V1__LIST_PENDING_SESSIONS_REQUEST__INIT;
    Berth__V1__ListPendingSessionsRequest b = BERTH__V1__LIST_PENDING_SESSIONS_REQUEST__INIT;
    Berth__V1__ListScalingGroupsRequest other = BERTH__V1__LIST_SCALING_GROUPS_REQUEST__INIT;
    const char *const keys[] = {"k1", "k2"};
    const struct page_token in = {
        .position = 40, .before = keys, .n_before = 2, .behind = keys + 1, .n_behind = 1};
    struct page_token out;
    struct err e = {.code = ERR_NONE};
    a.scaling_group = convert_text("a");
    b.scaling_group = convert_text("b");
    uint64_t scope = page_scope(&a.base, arena);
    const char *text = page_token_encode(scope, &in, arena);
    ck_assert_msg(page_token_decode(text, scope, arena, &out, &e) == 0, "%s", e.message);
    ck_assert_uint_eq(out.position, 40);
    ck_assert_uint_eq(out.n_before, 2);
    ck_assert_str_eq(out.before[0], "k1");
    ck_assert_str_eq(out.before[1], "k2");
    ck_assert_uint_eq(out.n_behind, 1);
    ck_assert_str_eq(out.behind[0], "k2");
    assert_refused(page_token_decode(text, page_scope(&b.base, arena), arena, &out, &e), &e,
                   "BAD_PAGE_TOKEN", "page_token", "another group");
    ck_assert_msg(page_scope(&b.base, arena) != page_scope(&other.base, arena),
                  "two kinds of requests share a scope");
    assert_refused(page_token_decode("nonsense", scope, arena, &out, &e), &e, "BAD_PAGE_TOKEN",
                   "page_token", "nonsense");
    ck_assert_msg(page_token_decode("", scope, arena, &out, &e) == 0 && out.position == 0 &&
                      out.n_before == 0 && out.n_behind == 0,
                  "an empty token is not the first page");
}
END_TEST

/* --- answers -----------------------------------------------------------------------------------
 */

START_TEST(answer_key_tells_bodies_apart)
{
    Berth__V1__CancelSessionRequest m = BERTH__V1__CANCEL_SESSION_REQUEST__INIT;
    struct request_key none = answer_key("", "Cancel", &m.base, arena);
    struct request_key first = answer_key("id", "Cancel", &m.base, arena);
    struct request_key again = answer_key("id", "Cancel", &m.base, arena);
    m.reason = convert_text("why");
    struct request_key other = answer_key("id", "Cancel", &m.base, arena);
    ck_assert_msg(none.id == NULL, "an empty id makes a call idempotent");
    ck_assert_str_eq(first.id, "id");
    ck_assert_msg(memcmp(first.body_hash, again.body_hash, 32) == 0, "equal bodies differ");
    ck_assert_msg(memcmp(first.body_hash, other.body_hash, 32) != 0, "other bodies are equal");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("opaque");
    TCase *tc = tcase_create("opaque");
    values_fixture(tc);
    tcase_add_loop_test(tc, opaque_refuses_a_text_it_did_not_make, 0, ARRAY_SIZE(bad_texts));
    tcase_add_test(tc, opaque_refuses_every_cut_and_every_changed_character);
    tcase_add_test(tc, opaque_gives_back_what_was_put_in);
    tcase_add_loop_test(tc, cursor_refuses_entries_that_it_would_not_write, 0,
                        ARRAY_SIZE(bad_cursors));
    tcase_add_test(tc, cursor_refuses_foreign_texts);
    tcase_add_test(tc, cursor_gives_back_its_groups_and_knows_no_others);
    tcase_add_test(tc, page_token_belongs_to_its_request);
    tcase_add_test(tc, answer_key_tells_bodies_apart);
    return values_run(suite, tc);
}
