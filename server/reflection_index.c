/* reflection_index.c - files and symbols of the descriptor set. */
#include <stdlib.h>
#include <string.h>

#include "google/protobuf/descriptor.pb-c.h"
#include "proto/descriptor_set.h"
#include "scheduler/arena.h"
#include "server/inbound.h"
#include "server/reflection.h"

typedef Google__Protobuf__FileDescriptorProto file_proto;
typedef Google__Protobuf__DescriptorProto message_proto;
typedef Google__Protobuf__EnumDescriptorProto enum_proto;
typedef Google__Protobuf__ServiceDescriptorProto service_proto;

struct symbol {
    const char *name;
    const struct reflection_file *file;
};

struct reflection {
    struct arena *arena;
    struct reflection_file *files;
    size_t n_files;
    struct symbol *symbols; /* in text order */
    size_t n_symbols, cap_symbols;
    const char **services;
    size_t n_services, cap_services;
};

/* --- symbols --- */

static const char *join(struct reflection *r, const char *scope, const char *name)
{
    return *scope != '\0' ? arena_printf(r->arena, "%s.%s", scope, name)
                          : arena_strdup(r->arena, name);
}

static const char *add_symbol(struct reflection *r, const struct reflection_file *f,
                              const char *scope, const char *name)
{
    const char *full = join(r, scope, name);
    r->symbols =
        arena_grow(r->arena, r->symbols, &r->cap_symbols, r->n_symbols + 1, sizeof(r->symbols[0]));
    r->symbols[r->n_symbols++] = (struct symbol){.name = full, .file = f};
    return full;
}

/* A value's full name is a sibling of its enum's. */
static void add_enum(struct reflection *r, const struct reflection_file *f, const char *scope,
                     const enum_proto *e)
{
    (void)add_symbol(r, f, scope, e->name);
    for (size_t i = 0; i < e->n_value; i++)
        (void)add_symbol(r, f, scope, e->value[i]->name);
}

static void add_message(struct reflection *r, const struct reflection_file *f, const char *scope,
                        const message_proto *m)
{
    const char *full = add_symbol(r, f, scope, m->name);
    for (size_t i = 0; i < m->n_field; i++)
        (void)add_symbol(r, f, full, m->field[i]->name);
    for (size_t i = 0; i < m->n_oneof_decl; i++)
        (void)add_symbol(r, f, full, m->oneof_decl[i]->name);
    for (size_t i = 0; i < m->n_nested_type; i++)
        add_message(r, f, full, m->nested_type[i]);
    for (size_t i = 0; i < m->n_enum_type; i++)
        add_enum(r, f, full, m->enum_type[i]);
}

static void add_service(struct reflection *r, const struct reflection_file *f, const char *scope,
                        const service_proto *s)
{
    const char *full = add_symbol(r, f, scope, s->name);
    for (size_t i = 0; i < s->n_method; i++)
        (void)add_symbol(r, f, full, s->method[i]->name);
    r->services = arena_grow(r->arena, r->services, &r->cap_services, r->n_services + 1,
                             sizeof(r->services[0]));
    r->services[r->n_services++] = full;
}

/* --- files --- */

static int link_imports(struct reflection *r, struct reflection_file *f, const file_proto *p,
                        struct err *e)
{
    const struct reflection_file **list =
        arena_new(r->arena, const struct reflection_file *, p->n_dependency + 1);
    for (size_t i = 0; i < p->n_dependency; i++) {
        list[i] = reflection_find_file(r, p->dependency[i]);
        if (list[i] == NULL)
            return err_set(e, ERR_INTERNAL, "DESCRIPTOR_SET",
                           "descriptor set: %s lacks its import %s", p->name, p->dependency[i]);
    }
    f->imports = list;
    f->n_imports = p->n_dependency;
    return 0;
}

static int add_file(struct reflection *r, struct reflection_file *f, const file_proto *p,
                    struct err *e)
{
    const char *package = p->package != NULL ? p->package : "";
    if (link_imports(r, f, p, e) < 0)
        return -1;
    for (size_t i = 0; i < p->n_message_type; i++)
        add_message(r, f, package, p->message_type[i]);
    for (size_t i = 0; i < p->n_enum_type; i++)
        add_enum(r, f, package, p->enum_type[i]);
    for (size_t i = 0; i < p->n_service; i++)
        add_service(r, f, package, p->service[i]);
    return 0;
}

/* The set is nothing but field 1, length-delimited, once a file: cut it there. */
static int cut_files(struct reflection *r, const uint8_t *p, size_t n, struct err *e)
{
    const uint8_t *end = p + n;
    for (size_t i = 0; i < r->n_files; i++) {
        size_t len = 0;
        unsigned shift = 0;
        if (p >= end || *p++ != 0x0a)
            break;
        do {
            len |= (size_t)(*p & 0x7f) << shift;
            shift += 7;
        } while ((*p++ & 0x80) != 0 && p < end);
        if (len > (size_t)(end - p))
            break;
        r->files[i].bytes = p;
        r->files[i].n = len;
        p += len;
    }
    if (p != end)
        return err_set(e, ERR_INTERNAL, "DESCRIPTOR_SET", "descriptor set: not a list of files");
    return 0;
}

static int by_symbol(const void *a, const void *b)
{
    const struct symbol *x = a;
    const struct symbol *y = b;
    return strcmp(x->name, y->name);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int fill(struct reflection *r, struct arena *scratch, struct err *e)
{
    size_t n = 0;
    const uint8_t *bytes = descriptor_set(&n);
    struct inbound_memory m = {.arena = scratch, .cap = SIZE_MAX};
    ProtobufCAllocator pbc = inbound_allocator(&m);
    Google__Protobuf__FileDescriptorSet *set =
        google__protobuf__file_descriptor_set__unpack(&pbc, n, bytes);
    if (set == NULL)
        return err_set(e, ERR_INTERNAL, "DESCRIPTOR_SET", "descriptor set: cannot be read");
    r->n_files = set->n_file;
    r->files = arena_new(r->arena, struct reflection_file, set->n_file + 1);
    for (size_t i = 0; i < set->n_file; i++) {
        r->files[i].name = arena_strdup(r->arena, set->file[i]->name);
        r->files[i].index = (unsigned)i;
    }
    if (cut_files(r, bytes, n, e) < 0)
        return -1;
    for (size_t i = 0; i < set->n_file; i++) {
        if (add_file(r, &r->files[i], set->file[i], e) < 0)
            return -1;
    }
    if (r->n_symbols == 0 || r->n_services == 0)
        return err_set(e, ERR_INTERNAL, "DESCRIPTOR_SET", "descriptor set: there is no service");
    qsort(r->symbols, r->n_symbols, sizeof(r->symbols[0]), by_symbol);
    qsort((void *)r->services, r->n_services, sizeof(r->services[0]), by_text);
    return 0;
}

int reflection_create(struct reflection **ret, struct err *e)
{
    struct reflection *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return err_set(e, ERR_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
    r->arena = arena_create();
    struct arena *scratch = arena_create();
    int rc = fill(r, scratch, e);
    arena_destroy(scratch);
    if (rc < 0) {
        reflection_destroy(r);
        return -1;
    }
    *ret = r;
    return 0;
}

void reflection_destroy(struct reflection *r)
{
    if (r == NULL)
        return;
    arena_destroy(r->arena);
    free(r);
}

/* --- looking up --- */

size_t reflection_file_count(const struct reflection *r)
{
    return r->n_files;
}

const struct reflection_file *reflection_find_file(const struct reflection *r, const char *name)
{
    for (size_t i = 0; i < r->n_files; i++) {
        if (strcmp(r->files[i].name, name) == 0)
            return &r->files[i];
    }
    return NULL;
}

const struct reflection_file *reflection_find_symbol(const struct reflection *r, const char *name)
{
    struct symbol key = {.name = name};
    const struct symbol *s =
        bsearch(&key, r->symbols, r->n_symbols, sizeof(r->symbols[0]), by_symbol);
    return s != NULL ? s->file : NULL;
}

const char *const *reflection_services(const struct reflection *r, size_t *ret_n)
{
    *ret_n = r->n_services;
    return r->services;
}
