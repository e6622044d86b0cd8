#include <roomcast/wire/console_message.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct console_owned owned;
    struct buffer again;

    if (console_decode(fuzz_slice(data, size), &owned))
        return 0;
    buffer_init(&again, CONSOLE_MAX_BYTES);
    must(console_encode(&owned.message, &again) == ERR_OK);
    buffer_fini(&again);
    console_release(&owned);
    return 0;
}
