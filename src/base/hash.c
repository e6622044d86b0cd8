#include <roomcast/base/hash.h>

#include <pthread.h>
#include <sodium.h>
#include <string.h>

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static unsigned char key[crypto_shorthash_KEYBYTES]; /* written once, under key_once */

static void make_key(void)
{
    crypto_shorthash_keygen(key);
}

uint64_t hash_bytes_64(const void *bytes, size_t len)
{
    unsigned char full[crypto_shorthash_BYTES];
    uint64_t hash;

    _Static_assert(sizeof full == sizeof hash, "SipHash-2-4 gives 64 bits");
    pthread_once(&key_once, make_key);
    crypto_shorthash(full, bytes, len, key);
    memcpy(&hash, full, sizeof hash);
    return hash;
}

unsigned hash_bytes(const void *bytes, size_t len)
{
    return (unsigned)hash_bytes_64(bytes, len);
}

uint64_t hash_stable_64(const void *bytes, size_t len)
{
    static const unsigned char no_key[crypto_shorthash_KEYBYTES];
    unsigned char full[crypto_shorthash_BYTES];
    uint64_t hash = 0;

    crypto_shorthash(full, bytes, len, no_key);
    for (size_t i = sizeof full; i-- > 0;)
        hash = hash << 8 | full[i];
    return hash;
}
