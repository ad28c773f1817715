/* command_version.c - which berthctl this is. */
#include <grpc/grpc.h>
#include <protobuf-c/protobuf-c.h>

#include "server/berthctl/command.h"

static int run(struct ctl *c, void *options, char **args, unsigned n_args)
{
    (void)options;
    (void)args;
    (void)n_args;
    if (c->globals.json)
        fprintf(c->out, "{\"version\":\"%s\",\"grpcCore\":\"%s\",\"protobufC\":\"%s\"}\n",
                BERTH_VERSION, grpc_version_string(), protobuf_c_version());
    else
        fprintf(c->out, "berthctl %s (gRPC core %s, protobuf-c %s)\n", BERTH_VERSION,
                grpc_version_string(), protobuf_c_version());
    return EXIT_OK;
}

const struct command command_version = {
    .name = "version",
    .args = "",
    .summary = "Say which berthctl this is",
    .examples = "  berthctl version\n",
    .options_size = 0,
    .run = run,
};
