/* Names one room: a chat, or the private channel of a user. Everything that carries events is keyed by it. */
#ifndef ROOMCAST_WIRE_ROOM_KEY_H
#define ROOMCAST_WIRE_ROOM_KEY_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>
#include <roomcast/base/uuid.h>

#define USER_ID_MAX   128 /* bytes of a user id; 1..USER_ID_MAX, no control characters */
#define ROOM_NAME_MAX USER_ID_MAX

enum route { ROUTE_TO_CHAT = 1, ROUTE_TO_USER = 2 }; /* the numbers of proto Route */

/* Plain bytes, zeroed beyond `len`, so that keys compare and hash as memory (ROOM_KEY_BYTES). */
struct room_key {
    uint8_t route;                /* enum route */
    uint8_t len;                  /* bytes of name */
    char name[ROOM_NAME_MAX + 1]; /* chat: UUID in lower case; user: the id, lower case when it is a UUID */
};
#define ROOM_KEY_BYTES(key) (2u + (key)->len) /* how many leading bytes of the struct tell keys apart */

void room_key_for_chat(const struct uuid *chat, struct room_key *ret_key);
/* ERR_RANGE: empty, longer than USER_ID_MAX, not UTF-8, or with control characters. Any spelling of a UUID
 * gives one key. */
enum err room_key_for_user(struct slice user, struct room_key *ret_key) MUST_CHECK;
/* A chat named by text. ERR_SYNTAX: not a UUID. */
enum err room_key_for_chat_text(struct slice chat, struct room_key *ret_key) MUST_CHECK;
/* For tables that hold many keys: an entry ends in `char key[]` of ROOM_KEY_STORED bytes instead of the
 * longest key that there may be. Compares and hashes as the key does. */
#define ROOM_KEY_STORED(key) (ROOM_KEY_BYTES(key) + 1u) /* NUL included */
static inline void room_key_load(const char *stored, struct room_key *ret_key)
{
    *ret_key = (struct room_key){.route = 0};
    memcpy(ret_key, stored, 2u + (unsigned char)stored[1]);
}
/* A block of its own for one; the caller frees. NULL when out of memory. */
char *room_key_store(const struct room_key *key);
static inline bool room_key_is_stored(const char *stored, const struct room_key *key)
{
    return (unsigned char)stored[1] == key->len && memcmp(stored, key, ROOM_KEY_BYTES(key)) == 0;
}
bool room_key_equal(const struct room_key *a, const struct room_key *b);
static inline struct slice room_key_name(const struct room_key *key)
{
    return (struct slice){key->name, key->len};
}

#endif
