#include "jetstream_api.h"

#include "fuzz.h"

static void check_last(struct jetstream_last_answer *answer)
{
    must((answer->status == BUS_LAST_FOUND) == (answer->data != NULL));
    free(answer->data);
}

/* Whatever comes is one of the answers, and only a found message has bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice json = fuzz_slice(data, size);
    struct jetstream_store_answer store;
    struct jetstream_last_answer last;
    struct bus_extent extent;
    bool is_no_stream;

    jetstream_decode_store(json, "events", &store);
    size_t len = 0;
    while (len < JETSTREAM_PROBLEM_SIZE && store.problem[len] != '\0')
        len++;
    must(len < JETSTREAM_PROBLEM_SIZE);
    jetstream_decode_last(json, "a.b", &last);
    check_last(&last);
    jetstream_decode_at(json, "a.b", 7, &last);
    check_last(&last);
    (void)!jetstream_decode_extent(json, &extent, &is_no_stream);
    return 0;
}
