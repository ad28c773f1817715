/* command_health.c - ask the standard health service. */
#include "grpc/health/v1/health.pb-c.h"
#include "server/berthctl/command.h"
#include "server/berthctl/text.h"

static int run(struct ctl *c, void *options, char **args, unsigned n_args)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    struct failure f = {0};
    const void *answer = NULL;

    (void)options;
    if (n_args > 0)
        request.service = args[0];
    struct client_call call = {.service = &grpc__health__v1__health__descriptor,
                               .method = "Check",
                               .request = &request.base,
                               .timeout_us = ctl_timeout_us(c)};
    if (client_unary(ctl_client(c), &call, c->arena, &answer, &f) < 0)
        return ctl_fail(c, &f);
    const Grpc__Health__V1__HealthCheckResponse *r = answer;
    bool serving = r->status == GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    if (c->globals.json)
        ctl_json(c, &r->base);
    else
        fprintf(c->out, "%s at %s is %s.\n",
                n_args > 0 ? text_clean(c->arena, args[0]) : "The server",
                text_clean(c->arena, c->globals.server), serving ? "serving" : "not serving");
    return serving ? EXIT_OK : EXIT_NO;
}

const struct command command_health = {
    .name = "health",
    .args = "[SERVICE]",
    .summary = "Ask whether the server is serving",
    .details = "Without SERVICE: the server as a whole. Exit code 1 when it is not serving.\n",
    .examples = "  berthctl health\n"
                "  berthctl health berth.v1.SchedulerService\n"
                "  until berthctl health --timeout 1; do sleep 1; done\n",
    .options_size = 0,
    .min_args = 0,
    .max_args = 1,
    .run = run,
};
