#include <roomcast/base/frame_header.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RSV1                0x40 /* RFC 7692 section 6: the payload is compressed */
#define LENGTH_16           126  /* RFC 6455 section 5.2: two bytes of length follow */
#define LENGTH_64           127  /* eight bytes follow */
#define CONTROL_PAYLOAD_MAX 125  /* bytes, RFC 6455 section 5.5 */

size_t frame_write_header(unsigned char header[FRAME_HEADER_MAX], unsigned char first, uint64_t len)
{
    unsigned following = len < LENGTH_16 ? 0 : len <= UINT16_MAX ? 2 : 8;

    header[0] = first;
    header[1] = (unsigned char)(following == 0 ? len : following == 2 ? LENGTH_16 : LENGTH_64);
    for (unsigned i = 0; i < following; i++)
        header[2 + i] = (unsigned char)(len >> 8 * (following - 1 - i));
    return 2 + following;
}

/* `first`: FIN, RSV and opcode. */
static struct frame *make(unsigned char first, struct slice payload, struct slice aside)
{
    unsigned char header[FRAME_HEADER_MAX];
    uint32_t header_len = (uint32_t)frame_write_header(header, first, payload.len);
    struct frame *frame = malloc(sizeof *frame + header_len + payload.len + aside.len);

    if (!frame)
        return NULL;
    atomic_init(&frame->refs, 1);
    frame->deflated = NULL;
    frame->header_len = header_len;
    frame->aside_len = (uint32_t)aside.len;
    frame->len = header_len + payload.len;
    memcpy(frame->bytes, header, header_len);
    if (payload.len > 0)
        memcpy(frame->bytes + header_len, payload.data, payload.len);
    if (aside.len > 0)
        memcpy(frame->bytes + frame->len, aside.data, aside.len);
    return frame;
}

struct frame *frame_join(struct frame *const *frames, uint32_t count)
{
    size_t len = 0;
    for (uint32_t i = 0; i < count; i++)
        len += frames[i]->len;
    struct frame *joined = malloc(sizeof *joined + len);
    if (!joined)
        return NULL;
    atomic_init(&joined->refs, 1);
    joined->deflated = NULL;
    joined->header_len = 0;
    joined->aside_len = 0;
    joined->len = 0;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(joined->bytes + joined->len, frames[i]->bytes, frames[i]->len);
        joined->len += frames[i]->len;
    }
    return joined;
}

struct frame *frame_new_beside(enum frame_opcode opcode, struct slice payload, struct slice aside)
{
    assert(opcode == FRAME_TEXT || opcode == FRAME_BINARY || payload.len <= CONTROL_PAYLOAD_MAX);
    return make((unsigned char)(FRAME_FIN | opcode), payload, aside);
}

struct frame *frame_new(enum frame_opcode opcode, struct slice payload)
{
    return frame_new_beside(opcode, payload, (struct slice){NULL, 0});
}

void frame_add_deflated(struct frame *frame, struct slice deflated)
{
    assert(!frame->deflated);
    frame->deflated = make(FRAME_FIN | RSV1 | FRAME_TEXT, deflated, (struct slice){NULL, 0});
}

struct frame *frame_ref(struct frame *frame)
{
    atomic_fetch_add_explicit(&frame->refs, 1, memory_order_relaxed);
    return frame;
}

void frame_unref(struct frame **frame)
{
    struct frame *gone = *frame;

    *frame = NULL;
    if (!gone)
        return;
    unsigned before = atomic_fetch_sub_explicit(&gone->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1) {
        frame_unref(&gone->deflated);
        free(gone);
    }
}
