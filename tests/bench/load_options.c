/* load_options.c - the command line of load_bench. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/load.h"

static const char usage[] =
    "usage: load_bench [OPTION...] ADDRESS\n"
    "\n"
    "One caller of a berthd. Calls:\n"
    "  --mix RPC=WEIGHT,...  schedule cancel preview pending groups health health-service live\n"
    "  --in-flight N         calls at a time (16)\n"
    "  --rate R              calls begun a second, however long they take; durations count from\n"
    "                        when a call was to begin. Without it: the next when one ends\n"
    "  --calls N             at most so many\n"
    "  --seconds S           for so long (10)\n"
    "  --deadline MS         of each (10000)\n"
    "  --group NAME          scaling group (bench)\n"
    "  --sessions FILE       session ids; cancels take each once, previews the last 16\n"
    "  --log FILE            writes the id and the code of each cancel\n"
    "  --token FILE          file with the caller's token\n"
    "  --padding BYTES       makes each request larger\n"
    "  --headers-only        sends no request\n"
    "  --retry               asks again when the RetryInfo of a refusal says\n"
    "Connections:\n"
    "  --connections N       shared by all calls in turn (1)\n"
    "  --warm                one health check on each first, so that all are there\n"
    "  --reconnect           each call on a connection of its own\n"
    "Streams:\n"
    "  --streams N           watches held open; one that ends is opened again\n"
    "  --slow                that read one message and then no more\n"
    "  --hold MS             and are broken off after so long\n"
    "  --json                the report as JSON\n";

static void refuse(const char *what, const char *why)
{
    (void)fprintf(stderr, "load_bench: %s: %s\n%s", what, why, usage);
    exit(2);
}

static double number(const char *name, const char *text)
{
    char *end = NULL;
    const double v = strtod(text, &end);
    if (end == text || *end != '\0' || !(v >= 0 && v <= 1e12))
        refuse(name, "needs a number");
    return v;
}

static void read_mix(struct load_options *o, char *text)
{
    char *rest = text;
    for (char *item = strsep(&rest, ","); item != NULL; item = strsep(&rest, ",")) {
        char *weight = strchr(item, '=');
        unsigned rpc = 0;
        if (weight != NULL)
            *weight++ = '\0';
        while (rpc < N_LOAD_RPCS && strcmp(load_rpc_name((enum load_rpc)rpc), item) != 0)
            rpc++;
        if (rpc == N_LOAD_RPCS)
            refuse(item, "is no RPC");
        o->weights[rpc] = weight != NULL ? (unsigned)number("--mix", weight) : 1;
    }
}

enum {
    MIX = 256,
    IN_FLIGHT,
    RATE,
    CALLS,
    SECONDS,
    DEADLINE,
    GROUP,
    SESSIONS,
    LOG,
    TOKEN,
    PADDING,
    CONNECTIONS,
    STREAMS,
    HOLD
};

static void take(struct load_options *o, int option, const char *name)
{
    switch (option) {
    case MIX:
        read_mix(o, optarg);
        break;
    case IN_FLIGHT:
        o->in_flight = (unsigned)number(name, optarg);
        break;
    case RATE:
        o->rate = number(name, optarg);
        break;
    case CALLS:
        o->calls = (uint64_t)number(name, optarg);
        break;
    case SECONDS:
        o->seconds = number(name, optarg);
        break;
    case DEADLINE:
        o->deadline_ms = (unsigned)number(name, optarg);
        break;
    case GROUP:
        o->group = optarg;
        break;
    case SESSIONS:
        o->sessions = optarg;
        break;
    case LOG:
        o->log = optarg;
        break;
    case TOKEN:
        o->token = optarg;
        break;
    case PADDING:
        o->padding = (unsigned)number(name, optarg);
        break;
    case CONNECTIONS:
        o->connections = (unsigned)number(name, optarg);
        break;
    case STREAMS:
        o->streams = (unsigned)number(name, optarg);
        break;
    case HOLD:
        o->hold_ms = (unsigned)number(name, optarg);
        break;
    case 0: /* a flag, set already */
        break;
    default:
        (void)fputs(usage, stderr);
        exit(2);
    }
}

static void check(const struct load_options *o)
{
    unsigned weights = 0;
    for (unsigned i = 0; i < N_LOAD_RPCS; i++)
        weights += o->weights[i];
    if (weights == 0 && o->streams == 0 && !o->warm)
        refuse("--mix", "there is nothing to do: no RPC, no streams, no --warm");
    if (o->connections == 0 || o->in_flight == 0)
        refuse("--connections, --in-flight", "must be at least 1");
    if ((o->weights[LOAD_CANCEL] > 0 || o->weights[LOAD_PREVIEW] > 0) && o->sessions == NULL)
        refuse("--sessions", "cancels and previews need ids");
}

void load_options_read(struct load_options *o, int argc, char **argv)
{
    int slow = 0, retry = 0, reconnect = 0, headers_only = 0, warm = 0, json = 0, option, at = 0;
    const struct option options[] = {
        {"mix", required_argument, NULL, MIX},
        {"in-flight", required_argument, NULL, IN_FLIGHT},
        {"rate", required_argument, NULL, RATE},
        {"calls", required_argument, NULL, CALLS},
        {"seconds", required_argument, NULL, SECONDS},
        {"deadline", required_argument, NULL, DEADLINE},
        {"group", required_argument, NULL, GROUP},
        {"sessions", required_argument, NULL, SESSIONS},
        {"log", required_argument, NULL, LOG},
        {"token", required_argument, NULL, TOKEN},
        {"padding", required_argument, NULL, PADDING},
        {"connections", required_argument, NULL, CONNECTIONS},
        {"streams", required_argument, NULL, STREAMS},
        {"hold", required_argument, NULL, HOLD},
        {"slow", no_argument, &slow, 1},
        {"retry", no_argument, &retry, 1},
        {"reconnect", no_argument, &reconnect, 1},
        {"headers-only", no_argument, &headers_only, 1},
        {"warm", no_argument, &warm, 1},
        {"json", no_argument, &json, 1},
        {NULL, 0, NULL, 0},
    };
    *o = (struct load_options){
        .group = "bench", .seconds = 10, .connections = 1, .in_flight = 16, .deadline_ms = 10000};
    while ((option = getopt_long(argc, argv, "", options, &at)) != -1)
        take(o, option, option == '?' ? "" : options[at].name);
    o->slow = slow != 0;
    o->retry = retry != 0;
    o->reconnect = reconnect != 0;
    o->headers_only = headers_only != 0;
    o->warm = warm != 0;
    o->json = json != 0;
    if (optind + 1 != argc)
        refuse("ADDRESS", "one is needed");
    o->address = argv[optind];
    check(o);
}
