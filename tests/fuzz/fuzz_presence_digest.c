#include <roomcast/wire/presence_digest.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct presence_digest_owned owned;
    struct buffer again;

    if (presence_digest_decode(fuzz_slice(data, size), &owned))
        return 0;
    buffer_init(&again, PRESENCE_DIGEST_MAX_BYTES);
    must(presence_digest_encode(&owned.digest, &again) == ERR_OK);
    buffer_fini(&again);
    presence_digest_release(&owned);
    return 0;
}
