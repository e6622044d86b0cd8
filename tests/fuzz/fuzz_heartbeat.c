#include <roomcast/wire/heartbeat.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct heartbeat beat;
    struct buffer again;

    if (heartbeat_decode(fuzz_slice(data, size), &beat))
        return 0;
    buffer_init(&again, HEARTBEAT_MAX_BYTES);
    must(heartbeat_encode(&beat, &again) == ERR_OK);
    buffer_fini(&again);
    return 0;
}
