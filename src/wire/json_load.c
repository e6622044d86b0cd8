#include "json_load.h"

#include <roomcast/base/guarded_heap.h>

/* A constructor: jansson may not allocate anything before. */
__attribute__((constructor)) static void guard_allocations(void)
{
    json_set_alloc_funcs(guarded_malloc, guarded_free);
}

bool json_guard(void (*use)(void *context), void *context)
{
    return guarded_run(use, context);
}

struct load {
    struct slice text;
    size_t flags;
    json_error_t *error;
    json_t *document;
};

static void load(void *context)
{
    struct load *to = context;

    to->document = json_loadb(to->text.data ? to->text.data : "", to->text.len, to->flags, to->error);
}

enum err json_load(struct slice text, size_t flags, json_t **ret_document, json_error_t *error)
{
    struct load parameters = {.text = text, .flags = flags, .error = error};

    if (!guarded_run(load, &parameters))
        return ERR_NO_MEMORY;
    if (!parameters.document)
        return ERR_SYNTAX;
    *ret_document = parameters.document;
    return ERR_OK;
}
