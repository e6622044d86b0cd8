#include <roomcast/io/deflate.h>

#include "fuzz.h"

#define MAX 4096 /* bytes of a message */

/* What comes out is no longer than it may be, and can be made again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct inflater *inflater, *second;
    static struct deflater *deflater;
    struct slice message, deflated, again;

    if (!inflater) {
        must(inflater_new(MAX, &inflater) == ERR_OK);
        must(inflater_new(MAX, &second) == ERR_OK);
        must(deflater_new(9, &deflater) == ERR_OK);
    }
    if (inflater_run(inflater, fuzz_slice(data, size), &message) != ERR_OK)
        return 0;
    must(message.len <= MAX);
    if (!deflater_run(deflater, message, &deflated))
        return 0;
    must(deflated.len < message.len);
    must(inflater_run(second, deflated, &again) == ERR_OK && slice_equal(message, again));
    return 0;
}
