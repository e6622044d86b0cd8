#include "places.h"

#include <string.h>

#include <roomcast/base/text.h>
#include <roomcast/wire/json_text.h>
#include <roomcast/wire/position.h>

void places_init(struct places *places)
{
    *places = (struct places){.chats_count = 0};
}

enum err places_add_chat(struct places *places, const char *chat)
{
    struct room_key room;

    if (room_key_for_chat_text(slice_of(chat), &room) != ERR_OK)
        return ERR_SYNTAX;
    for (size_t i = 0; i < places->chats_count; i++) {
        if (room_key_equal(&places->chats[i].room, &room))
            return ERR_OK;
    }
    if (places->chats_count == COMMAND_LIST_MAX)
        return ERR_BUSY;
    places->chats[places->chats_count++] = (struct place){.room = room};
    return ERR_OK;
}

enum err places_set_since(struct places *places, const char *since)
{
    struct place *place = &places->chats[0];
    const char *colon = strrchr(since, ':');
    size_t len = colon ? (size_t)(colon - since) : 0;
    uint64_t seq = 0;

    if (len == 0 || len >= HEARD_EPOCH_SIZE || !text_is_plain((struct slice){since, len}) || !colon[1])
        return ERR_SYNTAX;
    for (const char *digit = colon + 1; *digit; digit++) {
        if (*digit < '0' || *digit > '9' || seq > SEQ_MAX / 10)
            return ERR_SYNTAX;
        seq = seq * 10 + (uint64_t)(*digit - '0');
    }
    if (seq > SEQ_MAX)
        return ERR_SYNTAX;
    place->at = (struct heard_position){.seq = seq};
    memcpy(place->at.epoch, since, len);
    place->is_known = true;
    return ERR_OK;
}

struct place *places_find(struct places *places, const struct heard_message *message)
{
    if (!message->has_chat)
        return &places->notifications;
    for (size_t i = 0; i < places->chats_count; i++) {
        if (room_key_equal(&places->chats[i].room, &message->chat))
            return &places->chats[i];
    }
    return NULL;
}

enum place_verdict place_take(struct place *place, const struct heard_position *at)
{
    bool is_same = place->is_known && strcmp(place->at.epoch, at->epoch) == 0;

    if (is_same && at->seq <= place->at.seq)
        return PLACE_REPEATED;
    if (is_same && at->seq != place->at.seq + 1)
        return PLACE_GAP;
    place->at = *at;
    place->is_known = true;
    return PLACE_NEXT;
}

bool place_settle(struct place *place, const struct heard_message *ack)
{
    bool is_whole = !ack->has_recovered || ack->recovered;

    place->is_asked = false;
    place->was_heard = true;
    if (!ack->has_position || (ack->has_recovered && ack->recovered))
        return is_whole;
    place->at = ack->position;
    place->is_known = true;
    return is_whole;
}

static void append_since(const struct place *place, struct buffer *out)
{
    if (!place->is_known)
        return;
    buffer_append_text(out, ",\"since\":{\"epoch\":");
    json_append_string(out, slice_of(place->at.epoch));
    buffer_append_text(out, ",\"seq\":");
    buffer_append_u64(out, place->at.seq);
    buffer_append_char(out, '}');
}

bool places_append_subscribe(struct places *places, bool again, struct buffer *out)
{
    bool any = false;

    for (size_t i = 0; i < places->chats_count; i++) {
        struct place *place = &places->chats[i];
        if (place->is_over || (again && !place->is_asked))
            continue;
        buffer_append_text(out,
                           any ? ",{\"chat_id\":" : "{\"type\":\"subscribe.chat\",\"chats\":[{\"chat_id\":");
        json_append_string(out, room_key_name(&place->room));
        append_since(place, out);
        buffer_append_char(out, '}');
        place->is_asked = true;
        any = true;
    }
    if (any)
        buffer_append_text(out, "]}");
    return any;
}

void places_append_resume(struct places *places, struct buffer *out)
{
    buffer_append_text(out, "{\"type\":\"notifications.resume\"");
    append_since(&places->notifications, out);
    buffer_append_char(out, '}');
    places->notifications.is_asked = true;
}

void places_begin(struct places *places)
{
    places->notifications.is_asked = false;
    for (size_t i = 0; i < places->chats_count; i++)
        places->chats[i].is_asked = places->chats[i].was_heard = false;
}

bool places_any_left(const struct places *places)
{
    for (size_t i = 0; i < places->chats_count; i++) {
        if (!places->chats[i].is_over)
            return true;
    }
    return places->chats_count == 0;
}

bool places_all_heard(const struct places *places)
{
    for (size_t i = 0; i < places->chats_count; i++) {
        if (!places->chats[i].is_over && !places->chats[i].was_heard)
            return false;
    }
    return true;
}
