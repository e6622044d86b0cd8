#include <roomcast/wire/stream_cursor.h>

#include <assert.h>
#include <stdlib.h>

#include <sodium.h>

#include "text.h"

#define FOREIGN    "-" /* the epoch of a position that no room has */
#define DIGITS_MAX 16  /* of SEQ_MAX */

struct stream_cursor *stream_cursor_new(size_t max_chats)
{
    struct stream_cursor *cursor = calloc(1, sizeof *cursor + (1 + max_chats) * sizeof cursor->places[0]);
    if (cursor)
        cursor->count = 1;
    return cursor;
}

/* Its index; 0 when it is not there. */
static uint32_t find_chat(const struct stream_cursor *cursor, const struct uuid *chat)
{
    for (uint32_t at = 1; at < cursor->count; at++) {
        if (uuid_equal(&cursor->places[at].chat, chat))
            return at;
    }
    return 0;
}

bool stream_cursor_has(const struct stream_cursor *cursor, const struct uuid *chat)
{
    return find_chat(cursor, chat) > 0;
}

void stream_cursor_add(struct stream_cursor *cursor, const struct uuid *chat)
{
    struct stream_place *place = &cursor->places[cursor->count++];
    *place = (struct stream_place){.chat = *chat};
    sodium_bin2base64(place->name, sizeof place->name, chat->bytes, sizeof chat->bytes,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

struct slice stream_mark_make(const struct room_key *room, const struct position *position,
                              struct stream_mark *scratch)
{
    *scratch = (struct stream_mark){.position = *position};
    if (room->route != ROUTE_TO_CHAT)
        return (struct slice){(const char *)scratch, offsetof(struct stream_mark, chat)};
    enum err err = uuid_parse(room_key_name(room), &scratch->chat);
    assert(err == ERR_OK); /* the key of a chat is one */
    (void)err;
    return (struct slice){(const char *)scratch, sizeof *scratch};
}

bool stream_cursor_move(struct stream_cursor *cursor, struct slice mark)
{
    struct stream_mark read;
    if (mark.len == 0)
        return false;
    assert(mark.len <= sizeof read);
    memcpy(&read, mark.data, mark.len);
    uint32_t at = mark.len == sizeof read ? find_chat(cursor, &read.chat) : 0;
    if (at == 0 && mark.len == sizeof read)
        return false;
    struct stream_place *place = &cursor->places[at];
    place->position = read.position;
    place->is_known = true;
    return true;
}

void stream_cursor_write(const struct stream_cursor *cursor, struct buffer *out)
{
    buffer_append_text(out, "v1");
    for (uint32_t at = 0; at < cursor->count; at++) {
        const struct stream_place *place = &cursor->places[at];
        if (!place->is_known)
            continue;
        buffer_append_char(out, '~');
        buffer_append_text(out, place->name);
        buffer_append_char(out, '.');
        buffer_append_text(out, place->position.epoch);
        buffer_append_char(out, '.');
        buffer_append_u64(out, place->position.seq);
    }
}

static bool read_seq(struct slice text, uint64_t *ret_seq)
{
    uint64_t seq = 0;
    if (text.len == 0 || text.len > DIGITS_MAX)
        return false;
    for (size_t at = 0; at < text.len; at++) {
        if (text.data[at] < '0' || text.data[at] > '9')
            return false;
        seq = seq * 10 + (uint64_t)(text.data[at] - '0');
    }
    *ret_seq = seq;
    return seq <= SEQ_MAX;
}

bool stream_cursor_set(struct stream_cursor *cursor, struct slice name, struct slice epoch, struct slice seq)
{
    struct position position = {.seq = 0};
    if (!read_seq(seq, &position.seq) ||
        !(text_is_epoch(epoch) || slice_equal(epoch, SLICE_LITERAL(FOREIGN))))
        return false;
    memcpy(position.epoch, epoch.data, epoch.len);
    for (uint32_t at = 0; at < cursor->count; at++) {
        struct stream_place *place = &cursor->places[at];
        if (!slice_equal(name, slice_of(place->name)))
            continue;
        place->position = position;
        place->is_known = true;
    }
    return true;
}

void stream_cursor_lose(struct stream_cursor *cursor)
{
    for (uint32_t at = 0; at < cursor->count; at++) {
        cursor->places[at].position = (struct position){.epoch = FOREIGN};
        cursor->places[at].is_known = true;
    }
}
