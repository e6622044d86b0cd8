#include <roomcast/io/deflate.h>

#include <stdlib.h>

#include <zlib.h>

#define MEM_LEVEL        8            /* zlib's default */
#define MAX_WINDOW_BITS  15           /* what a client may use that was told nothing */
#define SCRATCH_KEPT     (64u * 1024) /* bytes; what a larger message needed is given back */
#define FLUSH_MARGIN     16           /* bytes beyond the limit, so that a flush which fills them passed it */
#define INFLATE_AT_BLOCK 128          /* in z_stream.data_type: between two blocks */
#define INFLATE_BITS     63           /* there too: bits of the last byte that are not used yet */

/* What ends every flushed message, and is not sent (section 7.2.1). */
static const unsigned char tail[4] = {0x00, 0x00, 0xFF, 0xFF};

/* --- out --- */

struct deflater {
    z_stream zlib;
    unsigned char *scratch; /* owned */
    size_t scratch_size;
};

enum err deflater_new(unsigned level, struct deflater **ret_deflater)
{
    struct deflater *deflater = calloc(1, sizeof *deflater);
    if (!deflater)
        return ERR_NO_MEMORY;
    if (deflateInit2(&deflater->zlib, (int)level, Z_DEFLATED, -DEFLATE_WINDOW_BITS, MEM_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        free(deflater);
        return ERR_NO_MEMORY;
    }
    *ret_deflater = deflater;
    return ERR_OK;
}

void deflater_free(struct deflater **deflater)
{
    if (!*deflater)
        return;
    deflateEnd(&(*deflater)->zlib);
    free((*deflater)->scratch);
    free(*deflater);
    *deflater = NULL;
}

static bool reserve(struct deflater *deflater, size_t size)
{
    if (size <= deflater->scratch_size && deflater->scratch_size <= SCRATCH_KEPT)
        return true;
    free(deflater->scratch);
    deflater->scratch_size = size < SCRATCH_KEPT ? SCRATCH_KEPT : size;
    deflater->scratch = malloc(deflater->scratch_size);
    if (!deflater->scratch)
        deflater->scratch_size = 0;
    return deflater->scratch;
}

bool deflater_run(struct deflater *deflater, struct slice message, struct slice *ret_deflated)
{
    z_stream *zlib = &deflater->zlib;
    size_t room = message.len + FLUSH_MARGIN;
    if (message.len > UINT32_MAX / 2 || !reserve(deflater, room) || deflateReset(zlib) != Z_OK)
        return false;
    zlib->next_in = (z_const Bytef *)message.data;
    zlib->avail_in = (uInt)message.len;
    zlib->next_out = deflater->scratch;
    zlib->avail_out = (uInt)room;
    if (deflate(zlib, Z_SYNC_FLUSH) != Z_OK || zlib->avail_in > 0 || zlib->avail_out == 0)
        return false;
    size_t len = room - zlib->avail_out - sizeof tail;
    if (len >= message.len)
        return false;
    *ret_deflated = (struct slice){(const char *)deflater->scratch, len};
    return true;
}

/* --- in --- */

struct inflater {
    z_stream zlib;
    size_t max_bytes;
    bool takes_over;
    unsigned char scratch[]; /* one byte more than max_bytes: filled, the limit is passed */
};

enum err inflater_new(size_t max_bytes, struct inflater **ret_inflater)
{
    struct inflater *inflater = malloc(sizeof *inflater + max_bytes + 1);
    if (!inflater)
        return ERR_NO_MEMORY;
    inflater->zlib = (z_stream){.next_in = NULL};
    inflater->max_bytes = max_bytes;
    inflater->takes_over = false;
    if (inflateInit2(&inflater->zlib, -MAX_WINDOW_BITS) != Z_OK) {
        free(inflater);
        return ERR_NO_MEMORY;
    }
    *ret_inflater = inflater;
    return ERR_OK;
}

void inflater_take_over(struct inflater *inflater)
{
    inflater->takes_over = true;
}

void inflater_free(struct inflater **inflater)
{
    if (!*inflater)
        return;
    inflateEnd(&(*inflater)->zlib);
    free(*inflater);
    *inflater = NULL;
}

static enum err feed(z_stream *zlib, const void *bytes, size_t len)
{
    zlib->next_in = (z_const Bytef *)bytes;
    zlib->avail_in = (uInt)len;
    for (;;) {
        int result = inflate(zlib, Z_SYNC_FLUSH);
        if (zlib->avail_out == 0)
            return ERR_TOO_BIG;
        if (result == Z_STREAM_END && zlib->avail_in > 0)
            result = inflateReset(zlib); /* section 7.2.3.4: a final block may be followed by others */
        else if (result == Z_OK || result == Z_BUF_ERROR || result == Z_STREAM_END)
            return ERR_OK; /* out of input */
        if (result == Z_MEM_ERROR)
            return ERR_NO_MEMORY;
        if (result != Z_OK)
            return ERR_SYNTAX;
    }
}

enum err inflater_run(struct inflater *inflater, struct slice deflated, struct slice *ret_message)
{
    z_stream *zlib = &inflater->zlib;
    if (deflated.len > UINT32_MAX / 2)
        return ERR_TOO_BIG;
    if (!inflater->takes_over && inflateReset(zlib) != Z_OK)
        return ERR_SYNTAX;
    zlib->next_out = inflater->scratch;
    zlib->avail_out = (uInt)inflater->max_bytes + 1;
    enum err err = feed(zlib, deflated.data, deflated.len);
    if (err == ERR_OK)
        err = feed(zlib, tail, sizeof tail);
    if (err != ERR_OK)
        return err;
    if (!(zlib->data_type & INFLATE_AT_BLOCK) || zlib->data_type & INFLATE_BITS)
        return ERR_SYNTAX;
    size_t len = inflater->max_bytes + 1 - zlib->avail_out;
    *ret_message = (struct slice){(const char *)inflater->scratch, len};
    return ERR_OK;
}
