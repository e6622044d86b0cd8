#include <roomcast/wire/revocation_request.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct revocation revocation;
    struct buffer bytes;
    char reason[192] = "";

    if (revocation_request_parse(fuzz_slice(data, size), &revocation, reason)) {
        must(reason[0] != '\0');
        return 0;
    }
    /* What services may say can be stored. */
    revocation.order = 1;
    revocation.until_s = revocation.until_s ? revocation.until_s : 1;
    buffer_init(&bytes, REVOCATIONS_MAX_BYTES);
    must(revocations_encode(&revocation, 1, &bytes) == ERR_OK);
    buffer_fini(&bytes);
    return 0;
}
