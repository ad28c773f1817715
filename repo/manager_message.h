/* manager_message.h - messages in the form a Manager 25 reads them. Private to repo/.
 *
 * A message is a name, a source, arguments and metadata. The arguments are a MessagePack array of
 * texts, also where the Manager itself writes something else (it puts reasons into an extension
 * type that holds a Python pickle, and takes plain texts as well). As an entry of a stream the four
 * are fields in this order; as a broadcast they are the members of a JSON object, the arguments in
 * base64 and the metadata as JSON inside a text. */
#ifndef BERTH_REPO_MANAGER_MESSAGE_H
#define BERTH_REPO_MANAGER_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "scheduler/arena.h"

#define MANAGER_SOURCE   "manager"
#define MANAGER_METADATA "{\"request_id\": null, \"user\": null}"

struct manager_message {
    const char *name;
    const char *args; /* MessagePack, n_args bytes */
    size_t n_args;
};

/* texts: n of them, none NULL, valid UTF-8. Everything in the arena, except the name. */
struct manager_message manager_message_make(const char *name, const char *const *texts, uint32_t n,
                                            struct arena *a);
char *manager_message_broadcast(const struct manager_message *m, struct arena *a);

#endif
