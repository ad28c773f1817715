/* config_show.c - settings for people: --print-config, and what help and documents say. */
#include <inttypes.h>
#include <string.h>

#include "server/config_internal.h"
#include "server/config_text.h"

static const char *show_value(const struct config *c, const struct config_row *r, struct arena *a)
{
    const void *member = (const char *)c + r->offset;
    switch (r->type) {
    case TYPE_TEXT:
        return *(const char *const *)member;
    case TYPE_CONNINFO:
        return config_redact(*(const char *const *)member, a);
    case TYPE_LIST:
    case TYPE_OPTIONS:
    case TYPE_LEVELS:
        return config_format_list(member, a);
    case TYPE_INT:
        return arena_printf(a, "%" PRId64, *(const int64_t *)member);
    case TYPE_BYTES:
        return config_format_bytes(*(const int64_t *)member, a);
    case TYPE_MS:
        return config_format_ms(*(const int64_t *)member, a);
    case TYPE_BOOL:
        return *(const bool *)member ? "true" : "false";
    case TYPE_CHOICE_LEVEL:
    case TYPE_CHOICE_FORMAT:
    case TYPE_CHOICE_CLIENT:
    case TYPE_CHOICE_BRIDGE:
    case TYPE_CHOICE_COEXIST:
        break;
    }
    return config_choice_words(r->type)[*(const int *)member];
}

void config_print(const struct config *c, FILE *out)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    for (size_t i = 0; i < N_CONFIG_ROWS; i++) {
        const char *value = show_value(c, &config_rows[i], a);
        fprintf(out, "%-24s = %-28s # %s\n", config_rows[i].name, value,
                generation_of(c)->origin[i]);
    }
}

/* --- for help and documents --- */

/* The title of the section that begins before a row, or NULL. */
static const struct {
    const char *section;
    size_t row;
} layout[] = {
#define SECTION(title)                                        {.section = title},
#define SETTING(name, type, dflt, least, greatest, reload, p) {.row = CONFIG_##name},
#include "server/config.def"
#undef SETTING
};

static const char *section_of(size_t row)
{
    const char *section = "";
    for (size_t i = 0; i < ARRAY_SIZE(layout); i++) {
        if (layout[i].section != NULL)
            section = layout[i].section;
        else if (layout[i].row == row)
            break;
    }
    return section;
}

static const char *value_word(const struct config_row *r)
{
    static const char *const words[] = {
        [TYPE_TEXT] = "TEXT",
        [TYPE_CONNINFO] = "CONNINFO",
        [TYPE_LIST] = "A,B,...",
        [TYPE_OPTIONS] = "P.K=V,...",
        [TYPE_LEVELS] = "AREA=LEVEL,...",
        [TYPE_INT] = "N",
        [TYPE_BYTES] = "SIZE",
        [TYPE_MS] = "TIME",
        [TYPE_BOOL] = "BOOL",
    };
    return r->type < TYPE_CHOICE_LEVEL ? words[r->type] : "WORD";
}

size_t config_count(void)
{
    return N_CONFIG_ROWS;
}

size_t config_index(const char *name)
{
    return config_find(name, strlen(name));
}

void config_about(size_t i, struct arena *a, struct config_about *ret)
{
    static const char *const flags[] = {"true", "false", NULL};
    const struct config_row *r = &config_rows[i];
    const bool is_choice = r->type >= TYPE_CHOICE_LEVEL;
    *ret = (struct config_about){.section = section_of(i),
                                 .name = r->name,
                                 .value = value_word(r),
                                 .allowed = config_allowed(r, a),
                                 .dflt = r->dflt,
                                 .prose = r->prose,
                                 .words = r->type == TYPE_BOOL ? flags
                                          : is_choice          ? config_choice_words(r->type)
                                                               : NULL,
                                 .is_list = config_is_list(r->type),
                                 .reloads = r->reload == SETTING_RELOAD};
}
