#include <roomcast/wire/heard_message.h>

#include <math.h>
#include <string.h>

#include <roomcast/wire/json_text.h>
#include <roomcast/wire/position.h>

#include "json_member.h"
#include "text.h"

static bool is(struct slice text, const char *word)
{
    return slice_equal(text, slice_of(word));
}

static uint64_t number_member(const json_t *object, const char *name, uint64_t fallback)
{
    double number = json_number_value(json_object_get(object, name));
    bool is_count = json_is_number(json_object_get(object, name)) && number >= 0 &&
                    number <= (double)SEQ_MAX && floor(number) == number;
    return is_count ? (uint64_t)number : fallback;
}

/* An epoch is handed back as it came, within a JSON string: what could break out of one is none. */
static bool read_position(const json_t *object, struct heard_position *ret_position)
{
    struct slice epoch = json_string_member(object, "epoch");
    uint64_t seq = number_member(object, "seq", UINT64_MAX);

    if (epoch.len == 0 || epoch.len >= HEARD_EPOCH_SIZE || !text_is_plain(epoch) || seq == UINT64_MAX)
        return false;
    *ret_position = (struct heard_position){.seq = seq};
    memcpy(ret_position->epoch, epoch.data, epoch.len);
    return true;
}

static enum heard_kind kind_of_ack(const json_t *document)
{
    struct slice action = json_string_member(document, "action");
    return is(action, "subscribed")      ? HEARD_SUBSCRIBED
           : is(action, "notifications") ? HEARD_NOTIFICATIONS
                                         : HEARD_ACK;
}

static enum heard_kind kind_of(const json_t *document, const struct heard_message *message)
{
    static const struct {
        const char *type;
        enum heard_kind kind;
    } kinds[] = {
        {"connected", HEARD_CONNECTED},   {"error", HEARD_ERROR}, {"unsubscribed", HEARD_UNSUBSCRIBED},
        {"disconnect", HEARD_DISCONNECT}, {"pong", HEARD_PONG},
    };

    if (is(message->type, "ack"))
        return kind_of_ack(document);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (is(message->type, kinds[i].type))
            return kinds[i].kind;
    }
    return message->has_position ? HEARD_EVENT : HEARD_OTHER;
}

enum err heard_message_parse(struct slice text, struct heard_message *ret_message)
{
    struct heard_message message = {.kind = HEARD_OTHER};
    char reason[JSON_REASON_SIZE];
    json_t *document;
    enum err err = json_load_object(text, &document, reason);

    if (err != ERR_OK)
        return err;
    message.document = document;
    message.type = json_string_member(document, "type");
    if (message.type.len == 0) {
        json_decref(document);
        return ERR_SYNTAX;
    }
    message.has_chat =
        room_key_for_chat_text(json_string_member(document, "chat_id"), &message.chat) == ERR_OK;
    const json_t *place =
        is(message.type, "connected") ? json_object_get(document, "notifications") : document;
    message.has_position = read_position(place, &message.position);
    message.kind = kind_of(document, &message);
    message.has_recovered = json_is_boolean(json_object_get(document, "recovered"));
    message.recovered = json_is_true(json_object_get(document, "recovered"));
    message.replayed = number_member(document, "replayed", 0);
    message.code = json_string_member(document, "code");
    message.message = json_string_member(document, "message");
    message.is_temporary = json_is_true(json_object_get(document, "temporary"));
    message.reason = json_string_member(document, "reason");
    message.may_reconnect = json_is_true(json_object_get(document, "reconnect"));
    message.retry_after_ms = number_member(document, "retry_after_ms", 0);
    message.user = json_string_member(document, "user_id");
    message.node = json_string_member(document, "node");
    if (!json_find_member(text, "data", &message.data))
        message.data = SLICE_LITERAL("");
    *ret_message = message;
    return ERR_OK;
}

void heard_message_release(struct heard_message *message)
{
    json_decref(message->document);
    *message = (struct heard_message){.kind = HEARD_OTHER};
}
