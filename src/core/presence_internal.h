/* The set behind presence.h, shared by presence.c and presence_elsewhere.c. Private to them. */
#ifndef ROOMCAST_CORE_PRESENCE_INTERNAL_H
#define ROOMCAST_CORE_PRESENCE_INTERNAL_H

#include <roomcast/base/hash.h>
#include <roomcast/core/presence.h>

/* One other node that has, or had, users in the chat. */
struct presence_node {
    struct presence_node *next;
    char name[PRESENCE_NODE_MAX + 1];
    size_t users;          /* entries that name it; freed with the last */
    uint64_t version;      /* everything up to it is known */
    uint64_t heard;        /* the latest one heard; above `version`: something was missed */
    uint64_t page_version; /* of the snapshot that is coming in */
    uint32_t next_page;    /* of it; 0: none is coming in, or one of its pages was missed */
};

/* A user on another node. */
struct presence_elsewhere {
    struct presence_elsewhere *next;
    struct presence_node *node;
    bool marked; /* while a snapshot comes in: named by it */
};

struct presence_user {
    struct room_key user;
    bool is_new;                           /* came while settling, and nobody else knew of them */
    uint32_t local;                        /* connections here */
    struct presence_elsewhere *elsewhere;  /* owned */
    uint64_t leave_at_ms;                  /* 0: held, here or elsewhere */
    struct presence_user *previous, *next; /* in presence->leaving, while leave_at_ms is not 0 */
    UT_hash_handle hh;
};

struct presence {
    uint64_t leave_delay_ms;
    struct presence_user *users;          /* owned; everyone who is online anywhere */
    struct presence_user *leaving, *last; /* by leave_at_ms */
    struct presence_node *nodes;          /* owned */
    size_t local_users, leaving_users;
    bool is_settling;
};

struct presence_user *presence_find(const struct presence *presence, const struct room_key *key);
/* NULL when out of memory. A new one is held by nobody yet: hold it, or presence_drop it. */
struct presence_user *presence_find_or_add(struct presence *presence, const struct room_key *key);
void presence_drop(struct presence *presence, struct presence_user *user);
static inline bool presence_is_held(const struct presence_user *user)
{
    return user->local > 0 || user->elsewhere;
}
/* Before a hold is put on: true when the user was absent until now and the clients shall know. */
bool presence_comes(struct presence *presence, struct presence_user *user);
/* After a hold was taken off: true when the user is offline now, which frees the entry, and the clients shall
 * know. */
bool presence_goes(struct presence *presence, struct presence_user *user, uint64_t now_ms, bool at_once);
/* Puts an entry without holds into its place among those leaving, or moves it there. */
void presence_set_leaving(struct presence *presence, struct presence_user *user, uint64_t leave_at_ms);
void presence_free_nodes(struct presence *presence);

#endif
