/* remedy_apply.c - does all changes of a remedy, or none. */
#include "scheduler/remedy_world.h"

typedef bool apply_f(struct remedy_world *w, const struct remedy_change *c);

static apply_f *const kinds[N_REMEDY_KINDS] = {
#define REMEDY(kind, name) [REMEDY_##kind] = apply_##name,
#include "scheduler/remedy_kinds.def"
#undef REMEDY
};

bool remedy_apply(struct remedy_world *w, const struct remedy *r)
{
    size_t mark = w->n_log;
    for (uint32_t i = 0; i < r->n_changes; i++)
        if (!kinds[r->changes[i].kind](w, &r->changes[i])) {
            remedy_world_undo(w, mark);
            return false;
        }
    return true;
}
