#include <roomcast/base/random.h>

#include <assert.h>
#include <sodium.h>

enum err random_init(void)
{
    return sodium_init() < 0 ? ERR_IO : ERR_OK;
}

void random_bytes(void *bytes, size_t len)
{
    randombytes_buf(bytes, len);
}

uint32_t random_below(uint32_t bound)
{
    assert(bound > 0);
    return randombytes_uniform(bound);
}

void random_text(char *text, size_t len)
{
    static const char alphabet[] = "0123456789abcdefghijklmnopqrstuvwxyz";

    for (size_t i = 0; i < len; i++)
        text[i] = alphabet[random_below(sizeof alphabet - 1)];
    text[len] = '\0';
}

void wipe(void *bytes, size_t len)
{
    sodium_memzero(bytes, len);
}

int secret_equal(const void *a, size_t a_len, const void *b, size_t b_len)
{
    return a_len == b_len && sodium_memcmp(a, b, a_len) == 0;
}
