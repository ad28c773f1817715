/* config_show.c - settings for people: --print-config, --help. */
#include <inttypes.h>

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

void config_help(FILE *out)
{
    for (size_t i = 0; i < N_CONFIG_ROWS; i++) {
        char flag[64];
        snprintf(flag, sizeof(flag), "--%s", config_rows[i].name);
        for (char *p = flag; *p != '\0'; p++)
            *p = (char)(*p == '_' ? '-' : *p);
        fprintf(out, "  %-28s %s Default: %s\n", flag, config_rows[i].prose,
                *config_rows[i].dflt != '\0' ? config_rows[i].dflt : "(empty)");
    }
}
