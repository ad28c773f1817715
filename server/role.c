/* role.c - role.def as an array, looked up by the method's path. */
#include "server/role.h"

#include <assert.h>
#include <string.h>

static const char *const names[N_ROLES] = {[ROLE_NOBODY] = "nobody",
                                           [ROLE_VIEWER] = "viewer",
                                           [ROLE_MANAGER] = "manager",
                                           [ROLE_ADMIN] = "admin"};

static const struct line {
    const char *path;
    enum role_access access[N_ROLES];
} lines[] = {
#define ACCESS(path, nobody, viewer, manager, admin)                                               \
    {path, {ROLE_##nobody, ROLE_##viewer, ROLE_##manager, ROLE_##admin}},
#include "server/role.def"
#undef ACCESS
};

const char *role_name(enum role r)
{
    assert(r < N_ROLES);
    return names[r];
}

bool role_parse(const char *text, enum role *ret)
{
    for (int i = ROLE_VIEWER; i < N_ROLES; i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum role)i;
            return true;
        }
    }
    return false;
}

static const struct line *find(const char *path)
{
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        if (strcmp(lines[i].path, path) == 0)
            return &lines[i];
    }
    return NULL;
}

enum role_access role_access(const struct config *g, enum role r, const struct method *m)
{
    const struct line *l = find(m->path);
    assert(r < N_ROLES && l != NULL); /* role_check() */
    enum role_access a = l->access[r];
    if (a == ROLE_HEALTH)
        return g == NULL || g->open_health ? ROLE_YES : ROLE_NO;
    if (a == ROLE_REFLECTION)
        return g == NULL || g->open_reflection ? ROLE_YES : ROLE_NO;
    return a;
}

int role_check(const struct methods *all, struct err *e)
{
    for (size_t i = 0; i < methods_count(all); i++) {
        const char *path = methods_at(all, i)->path;
        if (find(path) == NULL)
            return err_set(e, ERR_INTERNAL, "ROLE_LIST", "role.def: %s has no line", path);
    }
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        if (methods_find(all, lines[i].path, strlen(lines[i].path)) == NULL)
            return err_set(e, ERR_INTERNAL, "ROLE_LIST", "role.def: there is no RPC %s",
                           lines[i].path);
    }
    return 0;
}
