#include <roomcast/wire/revocation.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct revocation *revocations;
    struct buffer again;
    size_t count;

    if (revocations_decode(fuzz_slice(data, size), &revocations, &count))
        return 0;
    buffer_init(&again, REVOCATIONS_MAX_BYTES);
    must(revocations_encode(revocations, count, &again) == ERR_OK);
    for (size_t i = 0; i < count; i++)
        must(revocation_shard(&revocations[i]) < REVOCATION_SHARDS);
    buffer_fini(&again);
    free(revocations);
    return 0;
}
