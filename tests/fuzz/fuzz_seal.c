#include <string.h>

#include <roomcast/wire/seal.h>

#include "fuzz.h"

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define NOW 1700000000000u

/* Nothing opens that was not sealed; and what is sealed opens, and with any byte changed does not. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const subjects[] = {"rc.sig.chat.1", "rc.ev.chat.1", "rc.live.chat.1", "rc.rev.sig"};
    static struct seal *seals[3];
    struct slice body, in = fuzz_slice(data, size);
    struct buffer sealed;

    for (int mode = SEAL_OFF; mode <= SEAL_ENCRYPT && !seals[mode]; mode++) {
        const struct seal_options options = {
            .mode = (enum seal_mode)mode, .key = SLICE_LITERAL(KEY), .window_ms = 1000};
        must(seal_new(&options, &seals[mode]) == ERR_OK);
    }
    if (size == 0)
        return 0;
    struct slice subject = slice_of(subjects[data[0] & 3]);
    char *copy = malloc(size);
    must(copy != NULL);
    memcpy(copy, data, size);
    /* The corpus has none that was made with this key. */
    must(seal_open(seals[SEAL_SIGN], "rc", subject, NOW, copy, size, &body) != SEAL_OPENED);
    free(copy);
    for (int mode = SEAL_SIGN; mode <= SEAL_ENCRYPT; mode++) {
        buffer_init(&sealed, size + SEAL_ENCRYPTED_BYTES);
        seal_put(seals[mode], "rc", subject, NOW, in, &sealed);
        must(!buffer_failed(&sealed));
        size_t at = (size_t)data[size / 2] % sealed.len;
        char *again = malloc(sealed.len);
        must(again != NULL);
        memcpy(again, sealed.data, sealed.len);
        again[at] = (char)(again[at] ^ 1);
        must(seal_open(seals[SEAL_SIGN], "rc", subject, NOW, again, sealed.len, &body) != SEAL_OPENED);
        free(again);
        must(seal_open(seals[SEAL_SIGN], "rc", subject, NOW, sealed.data, sealed.len, &body) == SEAL_OPENED);
        must(slice_equal(body, in));
        buffer_fini(&sealed);
    }
    return 0;
}
