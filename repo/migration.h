/* migration.h - the migrations compiled into the program. Private to repo/.
 *
 * The array is made from migrations/migrations.def, the texts by repo/CMakeLists.txt. */
#ifndef BERTH_REPO_MIGRATION_H
#define BERTH_REPO_MIGRATION_H

enum migration_where {
    MIGRATION_ALWAYS,
    MIGRATION_STANDALONE /* not in an adopted database */
};

enum migration_kind {
    MIGRATION_CONTRACT, /* who does not know it must not work with the database */
    MIGRATION_EXPAND
};

#define MIGRATION(name, where, kind)                                                               \
    extern const unsigned char migration_##name[]; /* NUL-terminated */
#include "repo/migrations/migrations.def"
#undef MIGRATION

#endif
