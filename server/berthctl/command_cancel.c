/* command_cancel.c - cancel a session. */
#include "berth/v1/scheduler.pb-c.h"
#include "server/berthctl/command.h"
#include "server/berthctl/human.h"
#include "server/berthctl/text.h"

struct options {
    char *reason, *request_id;
};

static const struct flag flags[] = {
    FLAG(struct options, reason, TEXT, "reason", "TEXT",
         "recorded with the session (user-requested)"),
    FLAG(struct options, request_id, TEXT, "request-id", "ID",
         "the same ID again returns the first answer"),
};

static int run(struct ctl *c, void *options, char **args, unsigned n_args)
{
    const struct options *o = options;
    Berth__V1__CancelSessionRequest request = BERTH__V1__CANCEL_SESSION_REQUEST__INIT;
    const void *answer = NULL;

    (void)n_args;
    request.session_id = args[0];
    if (o->reason != NULL)
        request.reason = o->reason;
    if (o->request_id != NULL)
        request.request_id = o->request_id;
    int rc = ctl_call(c, "CancelSession", &request.base, &answer);
    if (rc != 0)
        return rc;
    const Berth__V1__CancelSessionResponse *r = answer;
    if (c->globals.json)
        return ctl_json(c, &r->base);
    fprintf(c->out, "Session %s ", text_clean(c->arena, r->session_id));
    if (r->already_terminal)
        fprintf(c->out, "was %s already; nothing changed.\n", text_clean(c->arena, r->status));
    else
        fprintf(c->out, "was %s and is %s now.\n", text_clean(c->arena, r->previous_status),
                text_clean(c->arena, r->status));
    if (r->n_released > 0)
        fprintf(c->out, "Given back: %s.\n", human_slots(c->arena, r->released, r->n_released));
    return EXIT_OK;
}

const struct command command_cancel = {
    .name = "cancel",
    .args = "SESSION",
    .summary = "Cancel a session in whatever state it is",
    .details = "A pending or scheduled session is CANCELLED at once; a running one becomes\n"
               "TERMINATING. Cancelling twice is no error.\n",
    .examples = "  berthctl cancel 3fa85f64-5717-4562-b3fc-2c963f66afa6\n"
                "  berthctl cancel 3fa85f64-5717-4562-b3fc-2c963f66afa6 --reason \"wrong image\"\n",
    .flags = flags,
    .n_flags = ARRAY_SIZE(flags),
    .options_size = sizeof(struct options),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
