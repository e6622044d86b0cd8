#include <roomcast/wire/stream_request.h>

#include <stdlib.h>

#define ITEM_MAX 80 /* bytes of one chat with its position, or of one place of an id */
#define VERSION  "v1"

/* A list that is read from the front. */
struct reader {
    struct slice rest;
    bool is_encoded; /* by percent signs */
    bool has_ended;  /* what was taken last was the last of the list */
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What is no proper escape stays as it is. The text is not at its end. */
static char take_char(struct reader *reader)
{
    struct slice *rest = &reader->rest;
    size_t len = 1;
    char c = rest->data[0];
    if (reader->is_encoded && c == '%' && rest->len > 2) {
        int high = hex_digit(rest->data[1]), low = hex_digit(rest->data[2]);
        if (high >= 0 && low >= 0) {
            c = (char)(high << 4 | low);
            len = 3;
        }
    }
    *rest = (struct slice){rest->data + len, rest->len - len};
    return c;
}

/* What stands before the next `separator`, or the end, in `item` (ITEM_MAX bytes). False: it is longer than
 * anything that could be meant. */
static bool take_item(struct reader *reader, char separator, char *item, struct slice *ret_item)
{
    size_t len = 0;
    for (;;) {
        reader->has_ended = reader->rest.len == 0;
        char c = reader->has_ended ? separator : take_char(reader);
        if (c == separator)
            break;
        if (len == ITEM_MAX)
            return false;
        item[len++] = c;
    }
    *ret_item = (struct slice){item, len};
    return true;
}

static bool split(struct slice text, char separator, struct slice *ret_before, struct slice *ret_after)
{
    const char *found = text.len > 0 ? memchr(text.data, separator, text.len) : NULL;
    if (!found)
        return false;
    size_t len = (size_t)(found - text.data);
    *ret_before = (struct slice){text.data, len};
    *ret_after = (struct slice){found + 1, text.len - len - 1};
    return true;
}

/* --- ids --- */

/* "name.epoch.seq" */
static bool read_place(struct slice item, struct stream_cursor *cursor)
{
    struct slice name, epoch, seq, rest;
    return split(item, '.', &name, &rest) && split(rest, '.', &epoch, &seq) &&
           stream_cursor_set(cursor, name, epoch, seq);
}

static bool read_places(struct reader id, struct stream_cursor *cursor)
{
    char bytes[ITEM_MAX];
    struct slice item;
    if (!take_item(&id, '~', bytes, &item) || !slice_equal(item, SLICE_LITERAL(VERSION)))
        return false;
    while (!id.has_ended) {
        if (!take_item(&id, '~', bytes, &item) || !read_place(item, cursor))
            return false;
    }
    return true;
}

static void read_id(struct reader id, struct stream_cursor *cursor)
{
    if (id.rest.len > 0 && !read_places(id, cursor))
        stream_cursor_lose(cursor);
}

/* --- chats --- */

/* "uuid", or "uuid:epoch:seq" */
static enum err read_chat(struct slice item, size_t max_chats, struct stream_cursor *cursor)
{
    struct slice name = item, rest = {NULL, 0}, epoch, seq;
    struct uuid chat;
    bool has_since = split(item, ':', &name, &rest);
    if (uuid_parse(name, &chat) != ERR_OK)
        return ERR_SYNTAX;
    if (stream_cursor_has(cursor, &chat))
        return ERR_OK;
    if (cursor->count > max_chats) /* the notifications are no chat */
        return ERR_TOO_BIG;
    stream_cursor_add(cursor, &chat);
    if (!has_since)
        return ERR_OK;
    const char *own_name = cursor->places[cursor->count - 1].name;
    if (!split(rest, ':', &epoch, &seq) || !stream_cursor_set(cursor, slice_of(own_name), epoch, seq))
        return ERR_SYNTAX;
    return ERR_OK;
}

static enum err read_chats(struct reader list, size_t max_chats, struct stream_cursor *cursor)
{
    char bytes[ITEM_MAX];
    struct slice item;
    list.has_ended = list.rest.len == 0;
    while (!list.has_ended) {
        if (!take_item(&list, ',', bytes, &item))
            return ERR_SYNTAX;
        enum err err = read_chat(item, max_chats, cursor);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

/* --- the query --- */

/* `id`: the last last_event_id. */
static enum err read_members(struct slice query, size_t max_chats, struct stream_cursor *cursor,
                             struct slice *id)
{
    while (query.len > 0) {
        struct slice member = query, rest = {NULL, 0}, name, value;
        split(query, '&', &member, &rest);
        query = rest;
        if (!split(member, '=', &name, &value))
            continue;
        if (slice_equal(name, SLICE_LITERAL("last_event_id")))
            *id = value;
        if (!slice_equal(name, SLICE_LITERAL("chats")))
            continue;
        enum err err = read_chats((struct reader){.rest = value, .is_encoded = true}, max_chats, cursor);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

enum err stream_request_read(const struct stream_request *request, struct stream_cursor **ret_cursor)
{
    struct slice id = {NULL, 0};
    struct stream_cursor *cursor = stream_cursor_new(request->max_chats);
    enum err err = cursor ? ERR_OK : ERR_NO_MEMORY;
    for (size_t at = 0; err == ERR_OK && at < request->query_count; at++)
        err = read_members(request->query[at], request->max_chats, cursor, &id);
    if (err != ERR_OK) {
        free(cursor);
        return err;
    }
    read_id(request->last_event_id.len > 0 ? (struct reader){.rest = request->last_event_id}
                                           : (struct reader){.rest = id, .is_encoded = true},
            cursor);
    /* Kept for as long as the stream: without what was not needed. */
    struct stream_cursor *fitting =
        realloc(cursor, sizeof *cursor + cursor->count * sizeof cursor->places[0]);
    *ret_cursor = fitting ? fitting : cursor;
    return ERR_OK;
}
