#include <roomcast/base/random.h>

#include <assert.h>
#include <sodium.h>
#include <string.h>

/* Each draw from the kernel is a system call, and a handshake wants fifteen numbers: a thread fetches many
 * bytes at once. Used ones are wiped, so that nobody who reads this memory learns what was drawn before. */
static _Thread_local struct {
    unsigned char bytes[512];
    size_t left; /* unused, at the front */
} pool;

enum err random_init(void)
{
    return sodium_init() < 0 ? ERR_IO : ERR_OK;
}

void random_bytes(void *bytes, size_t len)
{
    randombytes_buf(bytes, len);
}

static uint32_t draw(void)
{
    uint32_t value;

    if (pool.left < sizeof value) {
        randombytes_buf(pool.bytes, sizeof pool.bytes);
        pool.left = sizeof pool.bytes;
    }
    pool.left -= sizeof value;
    memcpy(&value, pool.bytes + pool.left, sizeof value);
    memset(pool.bytes + pool.left, 0, sizeof value);
    return value;
}

/* The highest values, which would make some results likelier than others, are drawn again. */
uint32_t random_below(uint32_t bound)
{
    assert(bound > 0);
    uint32_t uneven = (UINT32_MAX - bound + 1) % bound; /* 2^32 mod bound */
    uint32_t value;

    do
        value = draw();
    while (value > UINT32_MAX - uneven);
    return value % bound;
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

char *secret_copy(const void *bytes, size_t len)
{
    /* Harmless when done before. Without it libsodium does not know the size of a page. */
    char *copy = sodium_init() >= 0 && len < SIZE_MAX ? sodium_malloc(len + 1) : NULL;
    if (!copy)
        return NULL;
    if (len > 0)
        memcpy(copy, bytes, len);
    copy[len] = '\0';
    return copy;
}

void secret_free(char **secret)
{
    sodium_free(*secret); /* wipes */
    *secret = NULL;
}

int secret_equal(const void *a, size_t a_len, const void *b, size_t b_len)
{
    return a_len == b_len && sodium_memcmp(a, b, a_len) == 0;
}
