/* test_err.c - an error keeps its texts whole or marks the cut. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "scheduler/err.h"
#include "tests/unit/unit.h"

/* n times 'x', then `tail`. */
static const char *text_of(size_t n, const char *tail)
{
    static char text[1024];
    memset(text, 'x', n);
    snprintf(text + n, sizeof(text) - n, "%s", tail);
    return text;
}

static const struct {
    const char *what;
    size_t n;
    const char *tail;
    size_t want_len; /* of message, which holds 191 bytes */
    bool want_cut;
} cuts[] = {
    {"one byte too long is cut", 192, "", 191, true},
    {"far too long is cut", 900, "", 191, true},
    {"a two-byte character at the cut goes whole", 190, "\xC3\xA9", 191, true},
    {"a two-byte character over the cut goes whole", 189, "\xC3\xA9!", 190, true},
    {"a four-byte character over the cut goes whole", 188, "\xF0\x9F\x9A\xA2", 189, true},
    {"a character that ends before the cut stays", 188, "\xC3\xA9zz", 191, true},
    {"exactly full is whole", 191, "", 191, false},
    {"a last character that just fits is whole", 189, "\xC3\xA9", 191, false},
    {"one byte short is whole", 190, "", 190, false},
    {"empty is whole", 0, "", 0, false},
};

START_TEST(err_set_marks_what_it_cuts)
{
    struct err e = {0};
    const char *text = text_of(cuts[_i].n, cuts[_i].tail);
    ck_assert_int_eq(err_set(&e, ERR_INTERNAL, "X", "%s", text), -1);
    size_t len = strlen(e.message);
    ck_assert_msg(len == cuts[_i].want_len, "%s: length %zu", cuts[_i].what, len);
    bool cut = len > 0 && e.message[len - 1] == '+';
    ck_assert_msg(cut == cuts[_i].want_cut, "%s: cut %d", cuts[_i].what, cut);
    size_t same = cut ? len - 1 : len;
    ck_assert_msg(memcmp(e.message, text, same) == 0, "%s: text differs", cuts[_i].what);
    ck_assert_msg(!cut || ((unsigned char)text[same] & 0xC0) != 0x80, "%s: cut inside a character",
                  cuts[_i].what);
}
END_TEST

START_TEST(err_functions_take_null_and_keep_errno)
{
    errno = EIO;
    ck_assert_int_eq(err_set(NULL, ERR_INVALID, "X", "x"), -1);
    ck_assert_int_eq(err_detail(NULL, "x"), -1);
    ck_assert_int_eq(err_meta(NULL, "k", "x"), -1);
    ck_assert_int_eq(err_retry(NULL, 5), -1);
    ck_assert_int_eq(err_field(NULL, "f", "x"), -1);
    struct err e = {0};
    ck_assert_int_eq(err_set(&e, ERR_INVALID, "X", "%d", 1), -1);
    ck_assert_int_eq(err_detail(&e, "%d", 2), -1);
    ck_assert_int_eq(err_meta(&e, "k", "%d", 3), -1);
    ck_assert_int_eq(err_retry(&e, 5), -1);
    ck_assert_int_eq(errno, EIO);
    ck_assert_str_eq(e.message, "1");
    ck_assert_str_eq(e.detail, "2");
    ck_assert_str_eq(e.meta[0].value, "3");
    ck_assert_uint_eq(e.retry_after_ms, 5);
}
END_TEST

START_TEST(err_set_starts_afresh_and_may_quote_the_old_text)
{
    struct err e = {0};
    err_set(&e, ERR_NOT_FOUND, "UNKNOWN_AGENT", "no agent a1");
    err_detail(&e, "row 7");
    err_meta(&e, "agent", "a1");
    err_retry(&e, 9);
    err_set(&e, ERR_CONFLICT, "LOST", "commit: %s (%s)", e.message, e.detail);
    ck_assert_int_eq(e.code, ERR_CONFLICT);
    ck_assert_str_eq(e.reason, "LOST");
    ck_assert_str_eq(e.message, "commit: no agent a1 (row 7)");
    ck_assert_str_eq(e.detail, "");
    ck_assert_uint_eq(e.n_meta, 0);
    ck_assert_uint_eq(e.retry_after_ms, 0);
}
END_TEST

START_TEST(err_meta_replaces_a_key_and_leaves_out_the_fifth)
{
    struct err e = {0};
    err_set(&e, ERR_INVALID, "X", "x");
    err_meta(&e, "a", "1");
    err_meta(&e, "b", "2");
    err_meta(&e, "a", "3");
    ck_assert_uint_eq(e.n_meta, 2);
    ck_assert_str_eq(e.meta[0].value, "3");
    err_meta(&e, "c", "4");
    err_meta(&e, "d", "5");
    err_meta(&e, "e", "6");
    ck_assert_uint_eq(e.n_meta, ERR_META_MAX);
    ck_assert_str_eq(e.meta[3].key, "d");
    err_meta(&e, "d", "%s", text_of(160, ""));
    ck_assert_uint_eq(strlen(e.meta[3].value), 159);
    ck_assert_int_eq(e.meta[3].value[158], '+');
}
END_TEST

START_TEST(err_detail_is_cut_at_its_own_length)
{
    struct err e = {0};
    err_set(&e, ERR_INVALID, "X", "x");
    err_detail(&e, "%s", text_of(319, ""));
    ck_assert_uint_eq(strlen(e.detail), 319);
    ck_assert_int_eq(e.detail[318], 'x');
    err_detail(&e, "%s", text_of(320, ""));
    ck_assert_uint_eq(strlen(e.detail), 319);
    ck_assert_int_eq(e.detail[318], '+');
}
END_TEST

START_TEST(err_copy_cuts_to_any_size)
{
    char text[8];
    ck_assert_str_eq(err_copy(text, 2, "ab"), "+");
    ck_assert_str_eq(err_copy(text, 2, "a"), "a");
    ck_assert_str_eq(err_copy(text, 4, "abcd"), "ab+");
    ck_assert_str_eq(err_copy(text, 4, "\x80\x80\x80\x80"), "+"); /* no character begins here */
}
END_TEST

START_TEST(err_text_is_empty_when_it_cannot_be_formatted)
{
    static const wchar_t bad[] = {0x7FFFFFFF, 0};
    struct err e = {0};
    ck_assert_int_eq(err_set(&e, ERR_INTERNAL, "X", "%ls", bad), -1);
    ck_assert_str_eq(e.message, "");
    ck_assert_int_eq(e.code, ERR_INTERNAL);
}
END_TEST

START_TEST(err_field_names_the_field)
{
    struct err e = {0};
    ck_assert_int_eq(err_field(&e, "spec.kernels[2]", "%d is too many", 7), -1);
    ck_assert_int_eq(e.code, ERR_INVALID);
    ck_assert_str_eq(e.reason, "BAD_FIELD");
    ck_assert_str_eq(e.message, "7 is too many");
    ck_assert_uint_eq(e.n_meta, 1);
    ck_assert_str_eq(e.meta[0].key, "field");
    ck_assert_str_eq(e.meta[0].value, "spec.kernels[2]");
}
END_TEST

START_TEST(err_code_has_a_name_of_its_own)
{
    for (int i = 0; i < N_ERR_CODES; i++) {
        const char *name = err_code_name((enum err_code)i);
        ck_assert_msg(name != NULL && name[0] != '\0', "code %d has no name", i);
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(name, err_code_name((enum err_code)j));
    }
    ck_assert_str_eq(err_code_name(ERR_OUT_OF_RANGE), "OUT_OF_RANGE");
    ck_assert_str_eq(err_code_name(N_ERR_CODES), "UNKNOWN");
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, err_set_marks_what_it_cuts, 0, (int)ARRAY_SIZE(cuts));
    tcase_add_test(tc, err_functions_take_null_and_keep_errno);
    tcase_add_test(tc, err_set_starts_afresh_and_may_quote_the_old_text);
    tcase_add_test(tc, err_meta_replaces_a_key_and_leaves_out_the_fifth);
    tcase_add_test(tc, err_detail_is_cut_at_its_own_length);
    tcase_add_test(tc, err_copy_cuts_to_any_size);
    tcase_add_test(tc, err_text_is_empty_when_it_cannot_be_formatted);
    tcase_add_test(tc, err_field_names_the_field);
    tcase_add_test(tc, err_code_has_a_name_of_its_own);
}

int main(void)
{
    return unit_run("err", add);
}
