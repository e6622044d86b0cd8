#include <string.h>

#include "ws_head.h"

#include "fuzz.h"

/* Whether `part` lies within the head or within what was put together from several of its lines. */
static bool is_within(struct slice part, const char *bytes, size_t len, struct slice joined)
{
    if (part.len == 0)
        return true;
    return (part.data >= bytes && part.data + part.len <= bytes + len) ||
           (part.data >= joined.data && part.data + part.len <= joined.data + joined.len);
}

static void check_problem(const struct ws_head_problem *problem)
{
    must(problem->status >= 400 && problem->status < 600 && problem->code && problem->reason);
}

/* A head ends at the same byte however it comes; what it holds lies within it; what is refused has an answer.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = fuzz_slice(data, size);
    struct ws_head head;
    struct ws_head_problem problem;
    struct buffer joined;
    size_t scanned = 0, scanned_slowly = 0, slowly = 0;

    size_t len = ws_head_find_end(all, &scanned);
    must(len <= size);
    for (size_t had = 1; had <= size && slowly == 0; had++)
        slowly = ws_head_find_end((struct slice){all.data, had}, &scanned_slowly);
    must(slowly == len);
    if (len == 0) {
        problem = ws_head_too_long(all);
        check_problem(&problem);
        return 0;
    }
    char *bytes = malloc(len); /* of its exact size; the token is decoded in place */
    must(bytes != NULL);
    memcpy(bytes, data, len);
    buffer_init(&joined, len);
    if (!ws_head_parse(bytes, len, &joined, &head, &problem)) {
        check_problem(&problem);
    } else {
        const struct ws_request *request = &head.request;
        const struct slice parts[] = {request->method,       request->path,          request->host,
                                      request->origin,       request->authorization, request->user_agent,
                                      request->subprotocols, request->query_token,   head.key,
                                      request->query[0],     request->query[1],      request->last_event_id};
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
            must(is_within(parts[i], bytes, len, buffer_slice(&joined)));
        must(request->method.len > 0);
        must(!request->is_upgrade || (head.key.len == 24 && !request->fault));
    }
    buffer_fini(&joined);
    free(bytes);
    return 0;
}
