#include <stdlib.h>
#include <string.h>

#include <roomcast/base/buffer.h>
#include <roomcast/wire/stream_request.h>

#include "fuzz.h"

#define MAX_CHATS 8
#define ID_MAX    65536

static void write_id(const struct stream_cursor *cursor, struct buffer *out)
{
    buffer_init(out, ID_MAX);
    stream_cursor_write(cursor, out);
    must(!buffer_failed(out));
    for (size_t at = 0; at < out->len; at++) /* it stands in a line of its own, and in a header field */
        must(out->data[at] > 0x20 && out->data[at] < 0x7f);
}

/* What a client sends back is read as what it was sent. */
static void check_again(const struct stream_request *request, const struct stream_cursor *cursor)
{
    struct stream_cursor *again;
    struct stream_request with_id = *request;
    struct buffer id, same;
    write_id(cursor, &id);
    with_id.last_event_id = buffer_slice(&id);
    must(stream_request_read(&with_id, &again) == ERR_OK);
    write_id(again, &same);
    must(slice_equal(buffer_slice(&id), buffer_slice(&same)));
    buffer_fini(&id);
    buffer_fini(&same);
    free(again);
}

static void check_cursor(const struct stream_cursor *cursor)
{
    must(cursor->count >= 1 && cursor->count <= 1 + MAX_CHATS);
    for (uint32_t at = 0; at < cursor->count; at++) {
        const struct stream_place *place = &cursor->places[at];
        must(place->position.seq <= SEQ_MAX &&
             strnlen(place->position.epoch, EPOCH_LEN_MAX + 1) <= EPOCH_LEN_MAX);
        must(place->is_known == (place->position.epoch[0] != '\0'));
        for (uint32_t other = 1; at > 0 && other < at; other++)
            must(!uuid_equal(&place->chat, &cursor->places[other].chat));
    }
}

/* The first line is the query before the token, the second the one behind it, the rest Last-Event-ID. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice parts[3] = {{NULL, 0}}, rest = fuzz_slice(data, size);
    struct stream_cursor *cursor;
    for (size_t at = 0; at < 3 && rest.len > 0; at++) {
        const char *end = at < 2 ? memchr(rest.data, '\n', rest.len) : NULL;
        parts[at] = (struct slice){rest.data, end ? (size_t)(end - rest.data) : rest.len};
        rest = (struct slice){rest.data + parts[at].len + (end != NULL),
                              rest.len - parts[at].len - (end != NULL)};
    }
    const struct stream_request request = {
        .query = parts, .query_count = 2, .last_event_id = parts[2], .max_chats = MAX_CHATS};
    enum err err = stream_request_read(&request, &cursor);
    if (err != ERR_OK) {
        must(err == ERR_SYNTAX || err == ERR_TOO_BIG);
        return 0;
    }
    check_cursor(cursor);
    check_again(&request, cursor);
    free(cursor);
    return 0;
}
