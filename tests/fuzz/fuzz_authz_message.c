#include <roomcast/wire/authz_message.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct authz_answer answer;

    if (authz_answer_decode(fuzz_slice(data, size), &answer))
        return 0;
    must(size <= AUTHZ_ANSWER_MAX);
    must(answer.cache_s <= AUTHZ_CACHE_MAX_S && (answer.has_cache_s || answer.cache_s == 0));
    return 0;
}
