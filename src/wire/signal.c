#include <roomcast/wire/signal.h>

#include <stdlib.h>

#include <roomcast/v1/signal.pb-c.h>

#include "pb_memory.h"
#include "text.h"

#define NODE_NAME_MAX 128 /* bytes */
/* A user of a snapshot takes three bytes on the wire and up to about 130 while protobuf-c decodes it. */
#define DECODE_BUDGET(len) (48 * (len) + 64 * 1024)

static bool is_user(struct slice user)
{
    return user.len > 0 && text_fits(user, USER_ID_MAX);
}

static bool are_users(const struct signal_message *signal)
{
    for (size_t i = 0; i < signal->users_count; i++) {
        if (!is_user(signal->users[i]))
            return false;
    }
    for (size_t i = 0; i < signal->leaving_count; i++) {
        if (!is_user(signal->leaving[i].user))
            return false;
    }
    return true;
}

static bool is_valid(const struct signal_message *signal)
{
    if (signal->room.route != ROUTE_TO_CHAT || signal->node.len == 0 ||
        !text_fits(signal->node, NODE_NAME_MAX))
        return false;
    switch (signal->kind) {
    case SIGNAL_TYPING:
    case SIGNAL_PRESENCE_CHANGE:
        return is_user(signal->user);
    case SIGNAL_PRESENCE_QUERY:
        return text_fits(signal->to, NODE_NAME_MAX);
    case SIGNAL_PRESENCE_SNAPSHOT:
        return are_users(signal) && signal->page <= signal->pages &&
               (signal->page == 0) == (signal->pages == 0);
    }
    return false;
}

/* The texts of a signal with a NUL behind each, as protobuf-c wants them. */
struct packed_text {
    char node[NODE_NAME_MAX + 1];
    char user[USER_ID_MAX + 1];
    char to[NODE_NAME_MAX + 1];
};

static char *terminated(struct slice text, char *copy)
{
    if (text.len)
        memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return copy;
}

/* The lists of a snapshot, in one block: the pointers, the messages, and the texts they point to. */
struct packed_lists {
    char **users; /* the block; owned */
    Roomcast__V1__Leaving **leaving;
};

static size_t packed_bytes(const struct signal_message *signal)
{
    size_t size = signal->users_count * sizeof(char *) +
                  signal->leaving_count * (sizeof(Roomcast__V1__Leaving *) + sizeof(Roomcast__V1__Leaving));

    for (size_t i = 0; i < signal->users_count; i++)
        size += signal->users[i].len + 1;
    for (size_t i = 0; i < signal->leaving_count; i++)
        size += signal->leaving[i].user.len + 1;
    return size ? size : 1;
}

static enum err pack_lists(const struct signal_message *signal, struct packed_lists *lists)
{
    lists->users = malloc(packed_bytes(signal));
    if (!lists->users)
        return ERR_NO_MEMORY;
    lists->leaving = (Roomcast__V1__Leaving **)(void *)(lists->users + signal->users_count);
    Roomcast__V1__Leaving *messages =
        (Roomcast__V1__Leaving *)(void *)(lists->leaving + signal->leaving_count);
    char *copy = (char *)(messages + signal->leaving_count);
    for (size_t i = 0; i < signal->users_count; i++) {
        lists->users[i] = terminated(signal->users[i], copy);
        copy += signal->users[i].len + 1;
    }
    for (size_t i = 0; i < signal->leaving_count; i++) {
        lists->leaving[i] = &messages[i];
        roomcast__v1__leaving__init(&messages[i]);
        messages[i].user_id = terminated(signal->leaving[i].user, copy);
        messages[i].left_ms = signal->leaving[i].left_ms;
        copy += signal->leaving[i].user.len + 1;
    }
    return ERR_OK;
}

static enum err encode_snapshot(const struct signal_message *signal, Roomcast__V1__Signal *message,
                                struct buffer *out)
{
    Roomcast__V1__PresenceSnapshot snapshot = ROOMCAST__V1__PRESENCE_SNAPSHOT__INIT;
    struct packed_lists lists;
    enum err err = pack_lists(signal, &lists);

    if (err)
        return err;
    snapshot.n_user_id = signal->users_count;
    snapshot.user_id = lists.users;
    snapshot.n_leaving = signal->leaving_count;
    snapshot.leaving = lists.leaving;
    snapshot.version = signal->version;
    snapshot.page = signal->page;
    snapshot.pages = signal->pages;
    snapshot.wants_answer = signal->wants_answer;
    message->kind_case = ROOMCAST__V1__SIGNAL__KIND_PRESENCE_SNAPSHOT;
    message->presence_snapshot = &snapshot;
    err = pb_encode(&message->base, SIGNAL_MAX_BYTES, out);
    free(lists.users);
    return err;
}

enum err signal_encode(const struct signal_message *signal, struct buffer *out)
{
    Roomcast__V1__Signal message = ROOMCAST__V1__SIGNAL__INIT;
    Roomcast__V1__Typing typing = ROOMCAST__V1__TYPING__INIT;
    Roomcast__V1__PresenceChange change = ROOMCAST__V1__PRESENCE_CHANGE__INIT;
    Roomcast__V1__PresenceQuery query = ROOMCAST__V1__PRESENCE_QUERY__INIT;
    struct packed_text text;

    if (!is_valid(signal))
        return ERR_RANGE;
    message.version = SIGNAL_VERSION;
    message.node = terminated(signal->node, text.node);
    message.chat_id = (char *)signal->room.name;
    switch (signal->kind) {
    case SIGNAL_TYPING:
        message.kind_case = ROOMCAST__V1__SIGNAL__KIND_TYPING;
        message.typing = &typing;
        typing.user_id = terminated(signal->user, text.user);
        typing.is_typing = signal->on;
        break;
    case SIGNAL_PRESENCE_CHANGE:
        message.kind_case = ROOMCAST__V1__SIGNAL__KIND_PRESENCE_CHANGE;
        message.presence_change = &change;
        change.user_id = terminated(signal->user, text.user);
        change.is_online = signal->on;
        change.previous = signal->previous;
        change.version = signal->version;
        break;
    case SIGNAL_PRESENCE_QUERY:
        message.kind_case = ROOMCAST__V1__SIGNAL__KIND_PRESENCE_QUERY;
        message.presence_query = &query;
        query.to = terminated(signal->to, text.to);
        break;
    case SIGNAL_PRESENCE_SNAPSHOT:
        return encode_snapshot(signal, &message, out);
    default:
        return ERR_BUG;
    }
    return pb_encode(&message.base, SIGNAL_MAX_BYTES, out);
}

static enum err read_snapshot(const Roomcast__V1__PresenceSnapshot *snapshot, struct signal_owned *owned)
{
    struct signal_message *signal = &owned->signal;

    owned->users = calloc(snapshot->n_user_id ? snapshot->n_user_id : 1, sizeof *owned->users);
    owned->leaving = calloc(snapshot->n_leaving ? snapshot->n_leaving : 1, sizeof *owned->leaving);
    if (!owned->users || !owned->leaving)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < snapshot->n_user_id; i++)
        owned->users[i] = slice_of(snapshot->user_id[i]);
    for (size_t i = 0; i < snapshot->n_leaving; i++)
        owned->leaving[i] =
            (struct signal_leaving){slice_of(snapshot->leaving[i]->user_id), snapshot->leaving[i]->left_ms};
    signal->kind = SIGNAL_PRESENCE_SNAPSHOT;
    signal->users = owned->users;
    signal->users_count = snapshot->n_user_id;
    signal->leaving = owned->leaving;
    signal->leaving_count = snapshot->n_leaving;
    signal->version = snapshot->version;
    signal->page = snapshot->page;
    signal->pages = snapshot->pages;
    signal->wants_answer = snapshot->wants_answer;
    return ERR_OK;
}

static enum err read_kind(const Roomcast__V1__Signal *message, struct signal_owned *owned)
{
    struct signal_message *signal = &owned->signal;

    switch (message->kind_case) {
    case ROOMCAST__V1__SIGNAL__KIND_TYPING:
        signal->kind = SIGNAL_TYPING;
        signal->user = slice_of(message->typing->user_id);
        signal->on = message->typing->is_typing;
        return ERR_OK;
    case ROOMCAST__V1__SIGNAL__KIND_PRESENCE_CHANGE:
        signal->kind = SIGNAL_PRESENCE_CHANGE;
        signal->user = slice_of(message->presence_change->user_id);
        signal->on = message->presence_change->is_online;
        signal->previous = message->presence_change->previous;
        signal->version = message->presence_change->version;
        return ERR_OK;
    case ROOMCAST__V1__SIGNAL__KIND_PRESENCE_QUERY:
        signal->kind = SIGNAL_PRESENCE_QUERY;
        signal->to = slice_of(message->presence_query->to);
        return ERR_OK;
    case ROOMCAST__V1__SIGNAL__KIND_PRESENCE_SNAPSHOT:
        return read_snapshot(message->presence_snapshot, owned);
    default:
        return ERR_UNKNOWN;
    }
}

static enum err to_struct(const Roomcast__V1__Signal *message, const struct room_key *room,
                          struct signal_owned *owned)
{
    if (message->version > SIGNAL_VERSION)
        return ERR_VERSION;
    if (message->version == 0)
        return ERR_RANGE;
    owned->signal.room = *room;
    owned->signal.node = slice_of(message->node);
    enum err err = read_kind(message, owned);
    if (err)
        return err;
    if (!is_valid(&owned->signal))
        return ERR_RANGE;
    if (!slice_equal(slice_of(message->chat_id), room_key_name(room)))
        return ERR_MISMATCH;
    return ERR_OK;
}

enum err signal_decode(struct slice bytes, const struct room_key *room, struct signal_owned *ret_owned)
{
    struct signal_owned owned = {.users = NULL};
    ProtobufCMessage *message;

    if (bytes.len > SIGNAL_MAX_BYTES)
        return ERR_TOO_BIG;
    enum err err = pb_decode(&roomcast__v1__signal__descriptor, bytes, DECODE_BUDGET(bytes.len), &message);
    if (err)
        return err;
    owned.message = message;
    err = to_struct((const Roomcast__V1__Signal *)message, room, &owned);
    if (err) {
        signal_release(&owned);
        return err;
    }
    *ret_owned = owned;
    return ERR_OK;
}

void signal_release(struct signal_owned *owned)
{
    free(owned->users);
    free(owned->leaving);
    protobuf_c_message_free_unpacked(owned->message, NULL);
    *owned = (struct signal_owned){.users = NULL};
}
