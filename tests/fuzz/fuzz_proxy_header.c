#include <string.h>

#include "proxy_header.h"

#include "fuzz.h"

/* A header is found at the same place however its bytes arrive, and before that every part of it is
 * incomplete: who reads part by part never reads beyond it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header header, again;
    enum proxy_verdict verdict = proxy_header_parse(fuzz_slice(data, size), &header);

    if (verdict == PROXY_INCOMPLETE) {
        must(size < PROXY_HEADER_MAX);
        for (size_t len = 0; len < size; len++)
            must(proxy_header_parse(fuzz_slice(data, len), &again) == PROXY_INCOMPLETE);
    }
    if (verdict != PROXY_COMPLETE)
        return 0;
    must(header.size > 0 && header.size <= size && header.size <= PROXY_HEADER_MAX);
    for (size_t len = 0; len < header.size; len++)
        must(proxy_header_parse(fuzz_slice(data, len), &again) == PROXY_INCOMPLETE);
    must(proxy_header_parse(fuzz_slice(data, header.size), &again) == PROXY_COMPLETE);
    must(again.size == header.size && again.has_client == header.has_client);
    must(memcmp(&again.client, &header.client, sizeof header.client) == 0);
    return 0;
}
