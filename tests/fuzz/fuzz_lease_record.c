#include <roomcast/wire/lease_record.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lease_record record;
    struct buffer again;

    if (lease_record_decode(fuzz_slice(data, size), &record))
        return 0;
    buffer_init(&again, LEASE_MAX_BYTES);
    must(lease_record_encode(&record, &again) == ERR_OK);
    buffer_fini(&again);
    return 0;
}
