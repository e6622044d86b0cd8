#include <sodium.h>

#include <roomcast/wire/jwks.h>

#include "fuzz.h"

static void on_skipped(void *context, struct slice kid, const char *reason, bool is_fault)
{
    unsigned *count = context;
    must(kid.len <= 256);
    must(reason && reason[0]);
    (void)is_fault;
    ++*count;
}

/* What is taken is a set that has each of its keys; what is not is counted. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned count = 0;
    const struct jwks_skipped skipped = {.tell = on_skipped, .context = &count};
    struct jwks *jwks = NULL;

    must(sodium_init() >= 0);
    if (jwks_parse(fuzz_slice(data, size), &skipped, &jwks) != ERR_OK) {
        must(!jwks);
        return 0;
    }
    must(jwks_count(jwks) + count <= JWKS_MAX_KEYS);
    for (size_t i = 0; i < jwks_count(jwks); i++) {
        const char *kid = jwks_kid(jwks, i);
        must(!kid || (kid[0] && strlen(kid) <= 256));
        must(jwks_has(jwks, jwks, i));
    }
    jwks_unref(&jwks);
    return 0;
}
