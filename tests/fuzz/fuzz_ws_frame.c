#include <string.h>

#include "ws_frame.h"

#include "fuzz.h"

#define MAX 1000 /* bytes of a message */

struct story {
    uint64_t hash; /* of all events, FNV-1a */
    size_t events;
};

static void tell(struct story *story, const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        story->hash = (story->hash ^ ((const unsigned char *)bytes)[i]) * 1099511628211U;
}

/* False: nothing more may be fed. */
static bool take_event(struct story *story, const struct ws_event *event, bool takes_deflated)
{
    const unsigned facts[] = {event->kind, event->code, event->is_binary, (unsigned)event->payload.len};
    struct ws_utf8 utf8;

    tell(story, facts, sizeof facts);
    tell(story, event->payload.data, event->payload.len);
    story->events++;
    must(event->kind != WS_EVENT_NO_MEMORY);
    must(event->kind != WS_EVENT_DEFLATED || takes_deflated);
    bool is_control = event->kind == WS_EVENT_PING || event->kind == WS_EVENT_PONG;
    must(event->payload.len <= (is_control ? WS_CONTROL_MAX : MAX));
    if (event->kind == WS_EVENT_TEXT) {
        ws_utf8_init(&utf8);
        must(ws_utf8_feed(&utf8, (const unsigned char *)event->payload.data, event->payload.len));
        must(ws_utf8_complete(&utf8));
    }
    return event->kind != WS_EVENT_FAULT && event->kind != WS_EVENT_CLOSE;
}

static struct story read_in_pieces(const uint8_t *data, size_t size, size_t piece, unsigned options)
{
    struct story story = {.hash = 14695981039346656037U};
    struct ws_decoder decoder;
    struct ws_event event;
    bool more = true;

    ws_decoder_init(&decoder, MAX, options & 1);
    decoder.takes_binary = options & 2;
    for (size_t at = 0; at < size && more; at += piece) {
        size_t len = size - at < piece ? size - at : piece;
        unsigned char *copy = malloc(len), *bytes = copy; /* of its exact size; it is unmasked in place */
        must(copy != NULL);
        memcpy(copy, data + at, len);
        do {
            size_t before = len;
            ws_decoder_next(&decoder, &bytes, &len, &event);
            must(len <= before && (event.kind != WS_EVENT_NONE || len == 0));
            more = event.kind == WS_EVENT_NONE || take_event(&story, &event, options & 1);
        } while (more && event.kind != WS_EVENT_NONE);
        free(copy);
    }
    ws_decoder_fini(&decoder);
    return story;
}

/* First byte: what was agreed on; second: the size of pieces. The same bytes are the same events, in whatever
 * pieces they come; texts are UTF-8, and nothing is longer than it may be. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct story whole = read_in_pieces(data + 2, size - 2, size - 2, data[0]);
    struct story pieces = read_in_pieces(data + 2, size - 2, data[1] % 32 + 1U, data[0]);
    must(whole.events == pieces.events && whole.hash == pieces.hash);
    return 0;
}
