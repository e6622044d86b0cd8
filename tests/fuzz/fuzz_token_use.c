#include <roomcast/wire/token_use.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct token_use use;
    struct buffer again;

    if (token_use_decode(fuzz_slice(data, size), &use))
        return 0;
    buffer_init(&again, TOKEN_USE_MAX_BYTES);
    must(token_use_encode(&use, &again) == ERR_OK);
    buffer_fini(&again);
    return 0;
}
