#include <roomcast/web/asset.h>

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>

#include "assets_table.h"

/* The assembler takes a file in as it is: no text of it is generated, and both compilers have it. */
#define INCLUDE_FILE(symbol, file)                                                                           \
    __asm__(".pushsection .rodata\n" #symbol ":\n.incbin \"" file "\"\n" #symbol "_end:\n.byte 0\n"          \
            ".popsection\n");                                                                                \
    extern const char symbol[], symbol##_end[];

#define INCLUDE_ASSET(name, listener, path, file, type)                                                      \
    INCLUDE_FILE(web_##name, WEB_FILES "/" file)                                                             \
    INCLUDE_FILE(web_##name##_gzip, WEB_FILES "/" file ".gz")
WEB_ASSETS(INCLUDE_ASSET)

#define COUNT(name, listener, path, file, type) +1
#define ASSETS                                  (0 WEB_ASSETS(COUNT))

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct web_asset assets[ASSETS]; /* written once, under `once` */

static struct web_asset describe(enum web_listener listener, const char *path, const char *type,
                                 struct slice bytes, struct slice gzip)
{
    unsigned char digest[crypto_generichash_BYTES_MIN];
    struct web_asset asset = {listener, slice_of(path), type, bytes, gzip, ""};

    crypto_generichash(digest, sizeof digest, (const unsigned char *)bytes.data, bytes.len, NULL, 0);
    char hex[2 * 8 + 1];
    sodium_bin2hex(hex, sizeof hex, digest, 8);
    snprintf(asset.etag, sizeof asset.etag, "\"%s\"", hex);
    return asset;
}

static void describe_all(void)
{
    size_t at = 0;
#define DESCRIBE(name, listener, path, file, type)                                                           \
    assets[at++] =                                                                                           \
        describe(listener, path, type, (struct slice){web_##name, (size_t)(web_##name##_end - web_##name)},  \
                 (struct slice){web_##name##_gzip, (size_t)(web_##name##_gzip_end - web_##name##_gzip)});
    WEB_ASSETS(DESCRIBE)
}

const struct web_asset *web_asset_find(enum web_listener listener, struct slice path)
{
    pthread_once(&once, describe_all);
    for (size_t at = 0; at < ASSETS; at++)
        if (assets[at].listener == listener && slice_equal(assets[at].path, path))
            return &assets[at];
    return NULL;
}
