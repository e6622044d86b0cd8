#include <roomcast/wire/client_message.h>

#include <stdio.h>
#include <stdlib.h>

#include <roomcast/wire/json_text.h>

#include "client_field.h"
#include "json_load.h"
#include "text.h"

/* What the readers of single message types are given. */
struct reading {
    const json_t *object;
    const struct client_limits *limits;
    struct client_message *message; /* type and id are set; the reader fills the rest */
    struct client_fault *fault;
};

static enum err out_of_memory(struct client_fault *fault)
{
    client_fault_fill(fault, ERR_NO_MEMORY, "%s", error_code_meaning(ERROR_CODE_INTERNAL));
    fault->code = ERROR_CODE_INTERNAL;
    return ERR_NO_MEMORY;
}

static enum err allocate_chats(struct reading *reading, size_t count)
{
    reading->message->chats = calloc(count, sizeof *reading->message->chats);
    if (!reading->message->chats)
        return out_of_memory(reading->fault);
    reading->message->chats_count = count;
    return ERR_OK;
}

/* The one chat of `chat_id`, without `since`. */
static enum err read_chat(struct reading *reading)
{
    enum err err = allocate_chats(reading, 1);

    return err ? err
               : client_field_chat(reading->object, "", &reading->message->chats[0].chat, reading->fault);
}

static enum err read_chat_request(const json_t *object, const char *path, struct chat_request *request,
                                  struct client_fault *fault)
{
    enum err err = client_field_chat(object, path, &request->chat, fault);

    return err ? err : client_field_since(object, path, &request->has_since, &request->since, fault);
}

static enum err read_batch_element(struct reading *reading, const json_t *element, size_t index)
{
    struct client_fault *fault = reading->fault;
    char path[CLIENT_PATH_SIZE];

    if (!json_is_object(element))
        return client_fault_fill(fault, ERR_RANGE, "field \"chats[%zu]\" must be an object {chat_id, since?}",
                                 index);
    snprintf(path, sizeof path, "chats[%zu].", index);
    fault->has_chat = false; /* the chat of an element before this one is not at fault */
    return read_chat_request(element, path, &reading->message->chats[index], fault);
}

static enum err read_batch(struct reading *reading, const json_t *chats)
{
    struct client_fault *fault = reading->fault;
    size_t count = json_array_size(chats);

    if (!json_is_array(chats) || count == 0)
        return client_fault_fill(fault, ERR_RANGE,
                                 "field \"chats\" must be a list of at least one {chat_id, since?}");
    if (count > reading->limits->max_chats)
        return client_fault_fill(fault, ERR_TOO_BIG,
                                 "field \"chats\" holds more than the %zu allowed elements",
                                 reading->limits->max_chats);
    if (json_object_get(reading->object, "chat_id"))
        return client_fault_fill(fault, ERR_RANGE, "give either \"chat_id\" or \"chats\", not both");
    if (json_object_get(reading->object, "since"))
        return client_fault_fill(fault, ERR_RANGE, "beside \"chats\", \"since\" belongs into its elements");
    enum err err = allocate_chats(reading, count);
    for (size_t i = 0; !err && i < count; i++)
        err = read_batch_element(reading, json_array_get(chats, i), i);
    return err;
}

static enum err read_subscribe(struct reading *reading)
{
    const json_t *chats = json_object_get(reading->object, "chats");

    if (chats)
        return read_batch(reading, chats);
    enum err err = allocate_chats(reading, 1);
    return err ? err : read_chat_request(reading->object, "", reading->message->chats, reading->fault);
}

static enum err read_typing(struct reading *reading)
{
    const json_t *is_typing = json_object_get(reading->object, "is_typing");
    enum err err = read_chat(reading);

    if (err)
        return err;
    if (is_typing && !json_is_boolean(is_typing))
        return client_fault_fill(reading->fault, ERR_RANGE, "field \"is_typing\" must be true or false");
    reading->message->is_typing = !is_typing || json_is_true(is_typing);
    return ERR_OK;
}

static enum err read_refresh(struct reading *reading)
{
    const json_t *token = json_object_get(reading->object, "token");

    if (!json_is_string(token) || json_string_length(token) == 0)
        return client_fault_fill(reading->fault, token ? ERR_RANGE : ERR_MISSING,
                                 "field \"token\" must be a string, the new token");
    reading->message->token = (struct slice){json_string_value(token), json_string_length(token)};
    return ERR_OK;
}

static enum err read_resume(struct reading *reading)
{
    struct client_message *message = reading->message;

    return client_field_since(reading->object, "", &message->has_since, &message->since, reading->fault);
}

static const struct message_type {
    const char *name;
    enum client_message_type type;
    enum err (*read)(struct reading *reading); /* NULL: no fields of its own */
} message_types[] = {
    {"subscribe.chat", CLIENT_SUBSCRIBE, read_subscribe},
    {"subscribe", CLIENT_SUBSCRIBE, read_subscribe},
    {"unsubscribe.chat", CLIENT_UNSUBSCRIBE, read_chat},
    {"unsubscribe", CLIENT_UNSUBSCRIBE, read_chat},
    {"chat.typing", CLIENT_TYPING, read_typing},
    {"ping", CLIENT_PING, NULL},
    {"presence.get", CLIENT_PRESENCE_GET, read_chat},
    {"auth.refresh", CLIENT_AUTH_REFRESH, read_refresh},
    {"notifications.resume", CLIENT_NOTIFICATIONS_RESUME, read_resume},
};

static enum err find_type(const json_t *object, const struct message_type **ret_type,
                          struct client_fault *fault)
{
    const json_t *value = json_object_get(object, "type");
    char excerpt[TEXT_EXCERPT_SIZE];

    if (!json_is_string(value))
        return client_fault_fill(fault, value ? ERR_RANGE : ERR_MISSING,
                                 "field \"type\" must be a string, like \"subscribe.chat\"");
    struct slice name = {json_string_value(value), json_string_length(value)};
    for (size_t i = 0; i < sizeof message_types / sizeof message_types[0]; i++) {
        if (slice_equal(name, slice_of(message_types[i].name))) {
            *ret_type = &message_types[i];
            return ERR_OK;
        }
    }
    text_excerpt(name, excerpt);
    client_fault_fill(fault, ERR_UNKNOWN, "no message type \"%s\"", excerpt);
    fault->code = ERROR_CODE_UNKNOWN_TYPE;
    return ERR_UNKNOWN;
}

static enum err load_failed(const json_error_t *error, struct client_fault *fault)
{
    switch (json_error_code(error)) {
    case json_error_duplicate_key:
        return client_fault_fill(fault, ERR_SYNTAX, "a field is given twice in one object");
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return client_fault_fill(fault, ERR_SYNTAX, "text must not hold U+0000");
    case json_error_numeric_overflow:
        return client_fault_fill(fault, ERR_RANGE, "a number is too large");
    default:
        client_fault_fill(fault, ERR_SYNTAX, "not valid JSON, at byte %d", error->position);
        fault->code = ERROR_CODE_INVALID_JSON;
        return ERR_SYNTAX;
    }
}

static enum err load(struct slice text, const struct client_limits *limits, json_t **ret_document,
                     struct client_fault *fault)
{
    json_error_t error;

    /* Before the parser runs: jansson recurses once per level. */
    if (json_depth(text, limits->max_depth) > limits->max_depth) {
        client_fault_fill(fault, ERR_TOO_DEEP, "nested more than %zu levels deep", limits->max_depth);
        fault->code = ERROR_CODE_INVALID_JSON;
        return ERR_TOO_DEEP;
    }
    json_t *document;
    enum err err = json_load(text, JSON_REJECT_DUPLICATES, &document, &error);
    if (err == ERR_NO_MEMORY)
        return out_of_memory(fault);
    if (err != ERR_OK)
        return load_failed(&error, fault);
    if (!json_is_object(document)) {
        json_decref(document);
        client_fault_fill(fault, ERR_SYNTAX, "a message must be one JSON object");
        fault->code = ERROR_CODE_INVALID_JSON;
        return ERR_SYNTAX;
    }
    *ret_document = document;
    return ERR_OK;
}

static enum err read_message(struct reading *reading)
{
    const struct message_type *type = NULL;
    enum err err = client_field_id(reading->object, &reading->message->id, reading->fault);

    if (err)
        return err;
    err = find_type(reading->object, &type, reading->fault);
    if (err)
        return err;
    reading->message->type = type->type;
    return type->read ? type->read(reading) : ERR_OK;
}

enum err client_message_parse(struct slice text, const struct client_limits *limits,
                              struct client_message *ret_message, struct client_fault *ret_fault)
{
    struct client_message message = {.chats = NULL};
    json_t *document = NULL;

    *ret_fault = (struct client_fault){.code = ERROR_CODE_INVALID_MESSAGE};
    enum err err = load(text, limits, &document, ret_fault);
    if (err)
        return err;
    message.document = document;
    struct reading reading = {document, limits, &message, ret_fault};
    err = read_message(&reading);
    if (err) {
        client_message_release(&message);
        return err;
    }
    *ret_message = message;
    return ERR_OK;
}

void client_message_release(struct client_message *message)
{
    free(message->chats);
    json_decref(message->document);
    *message = (struct client_message){.chats = NULL};
}
