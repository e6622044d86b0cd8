#include "ws_extension.h"

#include "fuzz.h"

/* A header is at most declined, and reading it in two lines takes no offer that one line would not. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ws_deflate_offer offer = {.acceptable = false};

    ws_extension_find_deflate(fuzz_slice(data, size), &offer);
    struct ws_deflate_offer first = offer;
    ws_extension_find_deflate(SLICE_LITERAL("permessage-deflate; server_max_window_bits=15"), &offer);
    must(offer.acceptable);
    must(!first.acceptable || offer.names_window == first.names_window);
    must(ws_extension_answer(&offer) != NULL);
    return 0;
}
