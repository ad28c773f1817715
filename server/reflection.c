/* reflection.c - answers one question of a reflection stream.
 *
 * v1 and v1alpha have the same messages under two names, down to the C structs: one handler serves
 * both, with the descriptor of the method that was called. */
#include "server/reflection.h"

#include <assert.h>
#include <string.h>

#include <grpc/status.h>

#include "grpc/reflection/v1/reflection.pb-c.h"
#include "grpc/reflection/v1alpha/reflection.pb-c.h"
#include "server/app.h"
#include "server/rpc.h"

typedef Grpc__Reflection__V1__ServerReflectionRequest question;
typedef Grpc__Reflection__V1__ServerReflectionResponse answer;
#define ASKS(member)    GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##member
#define ANSWERS(member) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##member

_Static_assert(sizeof(question) == sizeof(Grpc__Reflection__V1alpha__ServerReflectionRequest) &&
                   sizeof(answer) == sizeof(Grpc__Reflection__V1alpha__ServerReflectionResponse),
               "v1 and v1alpha have one shape");

/* "Not found" is an answer here, not the end of the stream. */
static void say_error(answer *m, struct arena *a, grpc_status_code code, const char *text)
{
    m->error_response = arena_new(a, Grpc__Reflection__V1__ErrorResponse, 1);
    grpc__reflection__v1__error_response__init(m->error_response);
    m->error_response->error_code = (int32_t)code;
    m->error_response->error_message = arena_strdup(a, text);
    m->message_response_case = ANSWERS(ERROR_RESPONSE);
}

static void add_file(Grpc__Reflection__V1__FileDescriptorResponse *m, bool *have,
                     const struct reflection_file *f)
{
    if (have[f->index])
        return;
    have[f->index] = true;
    m->file_descriptor_proto[m->n_file_descriptor_proto++] =
        (ProtobufCBinaryData){.data = (uint8_t *)f->bytes, .len = f->n};
    for (size_t i = 0; i < f->n_imports; i++)
        add_file(m, have, f->imports[i]);
}

/* The file and everything it imports. */
static void say_file(answer *m, struct arena *a, const struct reflection *r,
                     const struct reflection_file *f)
{
    if (f == NULL) {
        say_error(m, a, GRPC_STATUS_NOT_FOUND, "no such file or symbol");
        return;
    }
    size_t n = reflection_file_count(r);
    Grpc__Reflection__V1__FileDescriptorResponse *files =
        arena_new(a, Grpc__Reflection__V1__FileDescriptorResponse, 1);
    grpc__reflection__v1__file_descriptor_response__init(files);
    files->file_descriptor_proto = arena_new(a, ProtobufCBinaryData, n);
    add_file(files, arena_new(a, bool, n), f);
    m->file_descriptor_response = files;
    m->message_response_case = ANSWERS(FILE_DESCRIPTOR_RESPONSE);
}

static void say_services(answer *m, struct arena *a, const struct reflection *r)
{
    size_t n = 0;
    const char *const *names = reflection_services(r, &n);
    Grpc__Reflection__V1__ListServiceResponse *list =
        arena_new(a, Grpc__Reflection__V1__ListServiceResponse, 1);
    grpc__reflection__v1__list_service_response__init(list);
    list->service = arena_new(a, Grpc__Reflection__V1__ServiceResponse *, n);
    for (size_t i = 0; i < n; i++) {
        list->service[i] = arena_new(a, Grpc__Reflection__V1__ServiceResponse, 1);
        grpc__reflection__v1__service_response__init(list->service[i]);
        list->service[i]->name = arena_strdup(a, names[i]);
    }
    list->n_service = n;
    m->list_services_response = list;
    m->message_response_case = ANSWERS(LIST_SERVICES_RESPONSE);
}

/* proto3 has no extensions; a message of ours has none, another name is not found. */
static void say_extensions(answer *m, struct arena *a, const struct reflection *r, char *type)
{
    if (reflection_find_symbol(r, type) == NULL) {
        say_error(m, a, GRPC_STATUS_NOT_FOUND, "no such file or symbol");
        return;
    }
    m->all_extension_numbers_response =
        arena_new(a, Grpc__Reflection__V1__ExtensionNumberResponse, 1);
    grpc__reflection__v1__extension_number_response__init(m->all_extension_numbers_response);
    m->all_extension_numbers_response->base_type_name = type;
    m->message_response_case = ANSWERS(ALL_EXTENSION_NUMBERS_RESPONSE);
}

int reflection_answer(struct rpc_context *c, const void *request, void **response, struct err *e)
{
    const question *q = request;
    const struct reflection *r = c->app->reflection;
    answer *m = arena_new(c->arena, answer, 1);
    (void)e;
    bool alpha =
        q->base.descriptor == &grpc__reflection__v1alpha__server_reflection_request__descriptor;
    protobuf_c_message_init(alpha
                                ? &grpc__reflection__v1alpha__server_reflection_response__descriptor
                                : &grpc__reflection__v1__server_reflection_response__descriptor,
                            m);
    m->valid_host = q->host;
    m->original_request = (question *)q;
    switch (q->message_request_case) {
    case ASKS(FILE_BY_FILENAME):
        say_file(m, c->arena, r, reflection_find_file(r, q->file_by_filename));
        break;
    case ASKS(FILE_CONTAINING_SYMBOL):
        say_file(m, c->arena, r, reflection_find_symbol(r, q->file_containing_symbol));
        break;
    case ASKS(ALL_EXTENSION_NUMBERS_OF_TYPE):
        say_extensions(m, c->arena, r, q->all_extension_numbers_of_type);
        break;
    case ASKS(LIST_SERVICES):
        say_services(m, c->arena, r);
        break;
    case ASKS(FILE_CONTAINING_EXTENSION):
        say_error(m, c->arena, GRPC_STATUS_NOT_FOUND, "no such file or symbol");
        break;
    default:
        say_error(m, c->arena, GRPC_STATUS_INVALID_ARGUMENT, "unknown question");
        break;
    }
    *response = m;
    return 0;
}
