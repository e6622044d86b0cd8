#include <stdio.h>
#include <string.h>

#include <roomcast/wire/client_message.h>

#include "fuzz.h"

#define TEXT_MAX 4096
#define BEFORE   "{\"type\":\"subscribe\",\"chat_id\":\"6f1c2b7a-58d3-4e09-9c1e-0d2f4a6b8c1d\",\"since\":"

/* A position that says how empty a room was is written and read as the same. */
static void check_empty(const struct position *position)
{
    struct position_empty empty;
    struct position again;

    if (!position_parse_empty(position, &empty))
        return;
    must(position_is_empty(position));
    position_format_empty(&empty, &again);
    if (empty.created_s > 0)
        must(position_equal(position, &again));
    else
        must(strcmp(again.epoch, EPOCH_EMPTY) == 0); /* such a stream there is not */
}

static void check_cursor(const struct position *cursor)
{
    size_t len = strnlen(cursor->epoch, sizeof cursor->epoch);

    must(len > 0 && len <= EPOCH_LEN_MAX && cursor->seq <= SEQ_MAX);
    check_empty(cursor);
}

/* The input is the value of `since`, and by itself the text of an epoch: what clients send back may be
 * anything. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct client_limits limits = {.max_depth = 16, .max_chats = 128};
    struct position position = {.seq = 0};
    struct client_message message;
    struct client_fault fault;
    char text[sizeof BEFORE + TEXT_MAX + 1];

    if (size > TEXT_MAX)
        return 0;
    memcpy(position.epoch, data, size < EPOCH_LEN_MAX ? size : EPOCH_LEN_MAX);
    check_empty(&position);
    int len = snprintf(text, sizeof text, "%s%.*s}", BEFORE, (int)size, (const char *)data);
    if (client_message_parse((struct slice){text, (size_t)len}, &limits, &message, &fault))
        return 0;
    for (size_t i = 0; i < message.chats_count; i++) {
        if (message.chats[i].has_since)
            check_cursor(&message.chats[i].since);
    }
    client_message_release(&message);
    return 0;
}
