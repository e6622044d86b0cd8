#include <roomcast/wire/cluster_json.h>

#include "fuzz.h"

static void visit(void *context, const struct cluster_member *member, bool is_self)
{
    struct buffer again;
    (void)context;
    (void)is_self;
    must(heartbeat_is_valid(&member->beat));
    buffer_init(&again, 1u << 20);
    cluster_json_write(&again, &member->beat, member, 1);
    must(!buffer_failed(&again));
    buffer_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum err err = cluster_json_read(fuzz_slice(data, size), visit, NULL);
    must(err == ERR_OK || err == ERR_SYNTAX);
    return 0;
}
