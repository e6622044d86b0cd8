#include <roomcast/wire/console_message.h>

#include <string.h>

#include <roomcast/v1/console.pb-c.h>
#include <roomcast/wire/json_text.h>

#include "json_load.h"
#include "pb_memory.h"
#include "text.h"

#define DECODE_BUDGET (2 * CONSOLE_MAX_BYTES)

static bool texts_are_valid(const struct console_message *message)
{
    return message->from.len > 0 && text_fits(message->from, HEARTBEAT_INSTANCE_MAX) &&
           text_fits(message->about, CONSOLE_ABOUT_MAX);
}

static bool is_valid(const struct console_message *message)
{
    bool is_answer = message->kind == CONSOLE_ANSWER;
    if (message->id == 0 || !texts_are_valid(message) || message->body.len > CONSOLE_BODY_MAX)
        return false;
    if (is_answer != (message->status != 0) ||
        (is_answer && (message->status < 200 || message->status > 599)))
        return false;
    return (message->body.len > 0) == (is_answer || message->kind == CONSOLE_REVOKE);
}

bool console_acts(enum console_kind kind)
{
    return kind == CONSOLE_DISCONNECT || kind == CONSOLE_DRAIN || kind == CONSOLE_REVOKE ||
           kind == CONSOLE_REPLAY;
}

/* NUL behind it, for protobuf-c. `text` has room. */
static char *terminated(struct slice slice, char *text)
{
    memcpy(text, slice.len > 0 ? slice.data : "", slice.len);
    text[slice.len] = '\0';
    return text;
}

enum err console_encode(const struct console_message *message, struct buffer *out)
{
    Roomcast__V1__Console packed = ROOMCAST__V1__CONSOLE__INIT;
    char from[HEARTBEAT_INSTANCE_MAX + 1], about[CONSOLE_ABOUT_MAX + 1];

    if (!is_valid(message) || message->kind < CONSOLE_ANSWER || message->kind > CONSOLE_REPLAY)
        return ERR_RANGE;
    packed.version = CONSOLE_VERSION;
    packed.id = message->id;
    packed.from = terminated(message->from, from);
    packed.kind = (Roomcast__V1__ConsoleKind)message->kind;
    packed.about = terminated(message->about, about);
    packed.status = message->status;
    packed.body.data = (uint8_t *)message->body.data;
    packed.body.len = message->body.len;
    return pb_encode(&packed.base, CONSOLE_MAX_BYTES, out);
}

void console_write_problem(const char *problem, struct buffer *out)
{
    buffer_append_text(out, "{\"problem\":");
    json_append_string(out, slice_of(problem));
    buffer_append_char(out, '}');
}

/* What another process wrote is put into a document as it stands. */
static enum err check_json(struct slice body)
{
    json_t *document;

    if (json_depth(body, CONSOLE_BODY_DEPTH) > CONSOLE_BODY_DEPTH)
        return ERR_SYNTAX;
    enum err err = json_load(body, JSON_REJECT_DUPLICATES, &document, NULL);
    if (err != ERR_OK)
        return err;
    bool is_object = json_is_object(document);
    json_decref(document);
    return is_object ? ERR_OK : ERR_SYNTAX;
}

static enum err to_struct(const Roomcast__V1__Console *packed, struct console_message *message)
{
    if (packed->version > CONSOLE_VERSION)
        return ERR_VERSION;
    if (packed->version == 0 || packed->kind == ROOMCAST__V1__CONSOLE_KIND__CONSOLE_KIND_UNSPECIFIED)
        return ERR_RANGE;
    if ((int)packed->kind < CONSOLE_ANSWER || (int)packed->kind > CONSOLE_REPLAY)
        return ERR_UNKNOWN;
    *message = (struct console_message){
        .id = packed->id,
        .kind = (enum console_kind)packed->kind,
        .status = packed->status,
        .from = slice_of(packed->from),
        .about = slice_of(packed->about),
        .body = {(const char *)packed->body.data, packed->body.len},
    };
    if (!is_valid(message))
        return ERR_RANGE;
    return message->kind == CONSOLE_ANSWER ? check_json(message->body) : ERR_OK;
}

enum err console_decode(struct slice bytes, struct console_owned *ret_owned)
{
    ProtobufCMessage *packed;
    struct console_owned owned;

    if (bytes.len > CONSOLE_MAX_BYTES)
        return ERR_TOO_BIG;
    enum err err = pb_decode(&roomcast__v1__console__descriptor, bytes, DECODE_BUDGET, &packed);
    if (err)
        return err;
    owned.memory = packed;
    err = to_struct((const Roomcast__V1__Console *)packed, &owned.message);
    if (err)
        console_release(&owned);
    else
        *ret_owned = owned;
    return err;
}

void console_release(struct console_owned *owned)
{
    protobuf_c_message_free_unpacked(owned->memory, NULL);
    owned->memory = NULL;
}
