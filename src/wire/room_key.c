#include <roomcast/wire/room_key.h>

#include <stdlib.h>
#include <string.h>

#include "text.h"

static void set_key(struct room_key *key, enum route route, struct slice name)
{
    memset(key, 0, sizeof *key);
    key->route = (uint8_t)route;
    key->len = (uint8_t)name.len;
    memcpy(key->name, name.data, name.len);
}

static void set_uuid_key(struct room_key *key, enum route route, const struct uuid *uuid)
{
    char text[UUID_TEXT_SIZE];

    uuid_format(uuid, text);
    set_key(key, route, slice_of(text));
}

void room_key_for_chat(const struct uuid *chat, struct room_key *ret_key)
{
    set_uuid_key(ret_key, ROUTE_TO_CHAT, chat);
}

enum err room_key_for_user(struct slice user, struct room_key *ret_key)
{
    struct uuid uuid;

    /* UTF-8 too: user ids are written into JSON text as they are. */
    if (user.len == 0 || !text_fits(user, USER_ID_MAX))
        return ERR_RANGE;
    if (uuid_parse(user, &uuid) == ERR_OK)
        set_uuid_key(ret_key, ROUTE_TO_USER, &uuid);
    else
        set_key(ret_key, ROUTE_TO_USER, user);
    return ERR_OK;
}

enum err room_key_for_chat_text(struct slice chat, struct room_key *ret_key)
{
    struct uuid uuid;

    if (uuid_parse(chat, &uuid))
        return ERR_SYNTAX;
    room_key_for_chat(&uuid, ret_key);
    return ERR_OK;
}

bool room_key_equal(const struct room_key *a, const struct room_key *b)
{
    return a->len == b->len && memcmp(a, b, ROOM_KEY_BYTES(a)) == 0;
}

char *room_key_store(const struct room_key *key)
{
    char *stored = malloc(ROOM_KEY_STORED(key));
    if (stored)
        memcpy(stored, key, ROOM_KEY_STORED(key));
    return stored;
}
