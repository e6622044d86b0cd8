#include <roomcast/core/presence.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/hash.h>

/* One other node that has, or had, users in the chat. */
struct presence_node {
    struct presence_node *next;
    char name[PRESENCE_NODE_MAX + 1];
    size_t users; /* entries that name it; freed with the last */
};

/* A user on another node. */
struct presence_elsewhere {
    struct presence_elsewhere *next;
    struct presence_node *node;
    bool marked; /* while a snapshot is applied: named by it */
};

struct presence_user {
    struct room_key user;
    uint32_t local;                       /* connections here */
    struct presence_elsewhere *elsewhere; /* owned */
    UT_hash_handle hh;
};

struct presence {
    struct presence_user *users; /* owned; everyone who is online anywhere */
    struct presence_node *nodes; /* owned */
    size_t local_users;
};

enum err presence_new(struct presence **ret_presence)
{
    struct presence *presence = calloc(1, sizeof *presence);
    if (!presence)
        return ERR_NO_MEMORY;
    *ret_presence = presence;
    return ERR_OK;
}

void presence_free(struct presence **presence)
{
    if (!*presence)
        return;
    struct presence_user *user, *next;
    HASH_ITER(hh, (*presence)->users, user, next)
    {
        while (user->elsewhere) {
            struct presence_elsewhere *elsewhere = user->elsewhere;
            user->elsewhere = elsewhere->next;
            free(elsewhere);
        }
        HASH_DELETE(hh, (*presence)->users, user);
        free(user);
    }
    while ((*presence)->nodes) {
        struct presence_node *node = (*presence)->nodes;
        (*presence)->nodes = node->next;
        free(node);
    }
    free(*presence);
    *presence = NULL;
}

/* --- users --- */

static struct presence_user *find_user(const struct presence *presence, const struct room_key *key)
{
    struct presence_user *user;
    HASH_FIND(hh, presence->users, key, ROOM_KEY_BYTES(key), user);
    return user;
}

static struct presence_user *find_or_add_user(struct presence *presence, const struct room_key *key)
{
    struct presence_user *user = find_user(presence, key);
    if (user)
        return user;
    user = calloc(1, sizeof *user);
    if (!user)
        return NULL;
    user->user = *key;
    HASH_ADD(hh, presence->users, user, ROOM_KEY_BYTES(key), user);
    if (!user->hh.tbl) { /* uthash had no memory */
        free(user);
        return NULL;
    }
    return user;
}

static bool is_online(const struct presence_user *user)
{
    return user->local > 0 || user->elsewhere;
}

/* Frees an entry that says nothing any more; true when it did. */
static bool drop_if_offline(struct presence *presence, struct presence_user *user)
{
    if (is_online(user))
        return false;
    HASH_DELETE(hh, presence->users, user);
    free(user);
    return true;
}

enum err presence_join(struct presence *presence, const struct room_key *key,
                       struct presence_change *ret_change)
{
    struct presence_user *user = find_or_add_user(presence, key);
    if (!user)
        return ERR_NO_MEMORY;
    *ret_change =
        (struct presence_change){.local = user->local == 0, .global = !is_online(user), .online = true};
    presence->local_users += user->local == 0;
    user->local++;
    return ERR_OK;
}

void presence_leave(struct presence *presence, const struct room_key *key, struct presence_change *ret_change)
{
    struct presence_user *user = find_user(presence, key);
    *ret_change = (struct presence_change){.local = false};
    if (!user || user->local == 0) /* the join found no memory */
        return;
    user->local--;
    presence->local_users -= user->local == 0;
    *ret_change = (struct presence_change){.local = user->local == 0, .online = false};
    ret_change->global = drop_if_offline(presence, user);
}

/* --- other nodes --- */

static struct presence_node *find_node(const struct presence *presence, struct slice name)
{
    for (struct presence_node *node = presence->nodes; node; node = node->next) {
        if (slice_equal(slice_of(node->name), name))
            return node;
    }
    return NULL;
}

static struct presence_node *find_or_add_node(struct presence *presence, struct slice name)
{
    struct presence_node *node = find_node(presence, name);
    if (node)
        return node;
    node = calloc(1, sizeof *node);
    if (!node)
        return NULL;
    memcpy(node->name, name.data, name.len);
    node->next = presence->nodes;
    presence->nodes = node;
    return node;
}

static void drop_if_unused(struct presence *presence, struct presence_node *node)
{
    if (node->users > 0)
        return;
    struct presence_node **link = &presence->nodes;
    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    free(node);
}

static struct presence_elsewhere **find_elsewhere(struct presence_user *user,
                                                  const struct presence_node *node)
{
    struct presence_elsewhere **link = &user->elsewhere;
    while (*link && (*link)->node != node)
        link = &(*link)->next;
    return link;
}

/* Notes that `key` is on `node`. `ret_came` tells whether the user was offline before. */
static enum err put(struct presence *presence, struct presence_node *node, const struct room_key *key,
                    bool *ret_came)
{
    struct presence_user *user = find_or_add_user(presence, key);
    if (!user)
        return ERR_NO_MEMORY;
    bool came = !is_online(user);
    struct presence_elsewhere **link = find_elsewhere(user, node);
    if (!*link) {
        struct presence_elsewhere *elsewhere = calloc(1, sizeof *elsewhere);
        if (!elsewhere) {
            drop_if_offline(presence, user);
            return ERR_NO_MEMORY;
        }
        elsewhere->node = node;
        *link = elsewhere;
        node->users++;
    }
    (*link)->marked = true;
    *ret_came = came;
    return ERR_OK;
}

/* Takes one entry out; true when the user is offline now (and its entry freed). */
static bool take(struct presence *presence, struct presence_user *user, struct presence_elsewhere **link)
{
    struct presence_elsewhere *elsewhere = *link;
    *link = elsewhere->next;
    elsewhere->node->users--;
    free(elsewhere);
    return drop_if_offline(presence, user);
}

static bool is_node_name(struct slice name)
{
    return name.len >= 1 && name.len <= PRESENCE_NODE_MAX && !memchr(name.data, '\0', name.len);
}

enum err presence_remote(struct presence *presence, struct slice name, const struct room_key *key,
                         bool online, struct presence_change *ret_change)
{
    if (!is_node_name(name))
        return ERR_RANGE;
    struct presence_change change = {.online = online};
    if (online) {
        struct presence_node *node = find_or_add_node(presence, name);
        if (!node)
            return ERR_NO_MEMORY;
        enum err err = put(presence, node, key, &change.global);
        if (err != ERR_OK) {
            drop_if_unused(presence, node);
            return err;
        }
    } else {
        struct presence_node *node = find_node(presence, name);
        struct presence_user *user = find_user(presence, key);
        struct presence_elsewhere **link = node && user ? find_elsewhere(user, node) : NULL;
        if (link && *link) {
            change.global = take(presence, user, link);
            drop_if_unused(presence, node);
        }
    }
    *ret_change = change;
    return ERR_OK;
}

static void unmark(struct presence *presence, const struct presence_node *node)
{
    struct presence_user *user, *next;
    HASH_ITER(hh, presence->users, user, next)
    {
        struct presence_elsewhere **link = find_elsewhere(user, node);
        if (*link)
            (*link)->marked = false;
    }
}

/* Takes out what `node` no longer names. */
static void sweep(struct presence *presence, const struct presence_node *node, presence_visit visit,
                  void *context)
{
    struct presence_user *user, *next;
    HASH_ITER(hh, presence->users, user, next)
    {
        struct presence_elsewhere **link = find_elsewhere(user, node);
        if (!*link || (*link)->marked)
            continue;
        struct room_key key = user->user;
        if (take(presence, user, link))
            visit(context, &key, false);
    }
}

enum err presence_snapshot(struct presence *presence, struct slice name, const struct room_key *users,
                           size_t count, presence_visit visit, void *context)
{
    if (!is_node_name(name))
        return ERR_RANGE;
    struct presence_node *node = find_or_add_node(presence, name);
    if (!node)
        return ERR_NO_MEMORY;
    unmark(presence, node);
    enum err err = ERR_OK;
    for (size_t i = 0; i < count && err == ERR_OK; i++) {
        bool came = false;
        err = put(presence, node, &users[i], &came);
        if (came)
            visit(context, &users[i], true);
    }
    if (err == ERR_OK) /* half a list says nothing about who is missing from it */
        sweep(presence, node, visit, context);
    drop_if_unused(presence, node);
    return err;
}

void presence_forget(struct presence *presence, struct slice name, presence_visit visit, void *context)
{
    struct presence_node *node = find_node(presence, name);
    if (!node)
        return;
    unmark(presence, node);
    sweep(presence, node, visit, context);
    drop_if_unused(presence, node);
}

/* --- questions --- */

size_t presence_count(const struct presence *presence)
{
    return HASH_COUNT(presence->users);
}

size_t presence_local_count(const struct presence *presence)
{
    return presence->local_users;
}

void presence_each(const struct presence *presence, bool local_only, presence_visit visit, void *context)
{
    const struct presence_user *user;
    for (user = presence->users; user; user = user->hh.next) {
        if (!local_only || user->local > 0)
            visit(context, &user->user, true);
    }
}
