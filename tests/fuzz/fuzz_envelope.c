#include <roomcast/wire/envelope.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct envelope_owned owned;
    struct room_key room;
    struct buffer again;

    must(room_key_for_chat_text(SLICE_LITERAL("6f1c2b7a-58d3-4e09-9c1e-0d2f4a6b8c1d"), &room) == ERR_OK);
    if (envelope_decode(fuzz_slice(data, size), &room, &owned))
        return 0;
    /* What was accepted may be sent on. */
    buffer_init(&again, ENVELOPE_MAX_BYTES);
    must(envelope_encode(&owned.envelope, &again) == ERR_OK);
    buffer_fini(&again);
    envelope_release(&owned);
    return 0;
}
