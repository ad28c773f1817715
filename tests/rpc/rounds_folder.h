/* rounds_folder.h - what the tests of the recorder share: a folder, a round to put into it, a look.
 */
#ifndef BERTH_TESTS_RPC_ROUNDS_FOLDER_H
#define BERTH_TESTS_RPC_ROUNDS_FOLDER_H

#include "server/recorder.h"
#include "server/round_service.h"
#include "tests/unit/sample.h"
#include "tests/unit/unit.h"

#define MUCH (INT64_C(1) << 40) /* bytes: no bound */

struct file {
    uint8_t *bytes;
    size_t len;
};

extern struct arena *arena; /* lives until the test ends */
extern char folder[64];
extern const struct snapshot *snapshot; /* of the sample */
extern struct plan *plan;

/* For a checked fixture: a fresh folder, and all of it gone. */
void folder_setup(void);
void folder_teardown(void);

struct recorder *recorder_of(const char *path, int64_t max_files, int64_t max_bytes);
/* Its id is sample_id(epoch). */
void write_round(struct recorder *r, const char *group, int64_t epoch);

char *list_folder(const char *path); /* names, sorted, a line each */
void empty_folder(const char *path);
unsigned count_files(void);
char *path_of(const char *name); /* in the folder */
bool is_there(const char *name);
const char *name_of(int64_t epoch, const char *ending); /* of a round of group "g" */
void put_file(const char *name, const char *text);
struct file read_file(const char *name);
int64_t pair_bytes(int64_t epoch); /* both files of that round */
/* Both files must be there and be of the sample; the plan that was recorded. */
struct plan *read_pair(const char *stem);

/* What is logged between the two, instead of printing it. */
void log_begin(void);
char *log_end(void);
unsigned count_lines(const char *text, const char *part);

#endif
