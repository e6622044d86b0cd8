#include "client_field.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "text.h"

#define EPOCH_TEXT_MAX 64  /* bytes of an epoch that a client may send */
#define EPOCH_FOREIGN  '-' /* no epoch of a room has this character */

enum err client_fault_fill(struct client_fault *fault, enum err err, const char *format, ...)
{
    va_list args;

    fault->code = ERROR_CODE_INVALID_MESSAGE;
    va_start(args, format);
    vsnprintf(fault->message, sizeof fault->message, format, args);
    va_end(args);
    return err;
}

static struct slice string_slice(const json_t *string)
{
    return (struct slice){json_string_value(string), json_string_length(string)};
}

static enum err bad_id(struct client_fault *fault)
{
    return client_fault_fill(
        fault, ERR_RANGE, "field \"id\" must be a string of at most %d bytes or a number from 0 to %" PRIu32,
        REQUEST_ID_TEXT_MAX, UINT32_MAX);
}

enum err client_field_id(const json_t *object, struct request_id *ret_id, struct client_fault *fault)
{
    const json_t *value = json_object_get(object, "id");
    struct request_id id = {.kind = REQUEST_ID_NONE};

    if (json_is_integer(value)) {
        json_int_t number = json_integer_value(value);
        if (number < 0 || number > UINT32_MAX)
            return bad_id(fault);
        id.kind = REQUEST_ID_NUMBER;
        id.number = (uint32_t)number;
    } else if (json_is_string(value)) {
        struct slice text = string_slice(value);
        if (text.len > REQUEST_ID_TEXT_MAX)
            return bad_id(fault);
        id.kind = REQUEST_ID_TEXT;
        memcpy(id.text, text.data, text.len);
    } else if (value) {
        return bad_id(fault);
    }
    *ret_id = id;
    fault->id = id;
    return ERR_OK;
}

enum err client_field_chat(const json_t *object, const char *path, struct room_key *ret_chat,
                           struct client_fault *fault)
{
    static const char rule[] = "must be a UUID, like 6f1c2b7a-58d3-4e09-9c1e-0d2f4a6b8c1d";
    const json_t *value = json_object_get(object, "chat_id");

    if (!value)
        return client_fault_fill(fault, ERR_MISSING, "field \"%schat_id\" is missing; it %s", path, rule);
    if (!json_is_string(value) || room_key_for_chat_text(string_slice(value), ret_chat))
        return client_fault_fill(fault, ERR_RANGE, "field \"%schat_id\" %s", path, rule);
    fault->has_chat = true;
    fault->chat = *ret_chat;
    return ERR_OK;
}

enum err client_field_since(const json_t *object, const char *path, bool *ret_has, struct position *ret_since,
                            struct client_fault *fault)
{
    const json_t *since = json_object_get(object, "since");
    struct position position = {.seq = 0};

    if (!since) {
        *ret_has = false;
        return ERR_OK;
    }
    if (!json_is_object(since))
        return client_fault_fill(fault, ERR_RANGE, "field \"%ssince\" must be an object {epoch, seq}", path);
    const json_t *epoch = json_object_get(since, "epoch");
    size_t epoch_len = json_string_length(epoch);
    if (!json_is_string(epoch) || epoch_len < 1 || epoch_len > EPOCH_TEXT_MAX)
        return client_fault_fill(fault, epoch ? ERR_RANGE : ERR_MISSING,
                                 "field \"%ssince.epoch\" must be a string of 1 to %d bytes", path,
                                 EPOCH_TEXT_MAX);
    const json_t *seq = json_object_get(since, "seq");
    json_int_t number = json_integer_value(seq);
    if (!json_is_integer(seq) || number < 0 || (uint64_t)number > SEQ_MAX)
        return client_fault_fill(fault, seq ? ERR_RANGE : ERR_MISSING,
                                 "field \"%ssince.seq\" must be an integer from 0 to %" PRIu64, path,
                                 SEQ_MAX);
    /* To the client an epoch is opaque: one that is none of ours is another one than the room has. */
    if (text_is_epoch(string_slice(epoch)))
        memcpy(position.epoch, json_string_value(epoch), epoch_len);
    else
        position.epoch[0] = EPOCH_FOREIGN;
    position.seq = (uint64_t)number;
    *ret_since = position;
    *ret_has = true;
    return ERR_OK;
}
