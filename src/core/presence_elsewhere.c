/* What other nodes say about a chat. */
#include "presence_internal.h"

#include <stdlib.h>
#include <string.h>

#define LATER_MS 1000 /* two nodes that saw a user leave tell times that differ by less */

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

/* Who has nobody here has version 0 on both sides: nothing is to be remembered. */
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

void presence_free_nodes(struct presence *presence)
{
    while (presence->nodes) {
        struct presence_node *node = presence->nodes;
        presence->nodes = node->next;
        free(node);
    }
}

static struct presence_elsewhere **find_elsewhere(struct presence_user *user,
                                                  const struct presence_node *node)
{
    struct presence_elsewhere **link = &user->elsewhere;
    while (*link && (*link)->node != node)
        link = &(*link)->next;
    return link;
}

static struct presence_elsewhere *add_elsewhere(struct presence_user *user, struct presence_node *node)
{
    struct presence_elsewhere *elsewhere = calloc(1, sizeof *elsewhere);
    if (!elsewhere)
        return NULL;
    elsewhere->node = node;
    elsewhere->next = user->elsewhere;
    return elsewhere;
}

/* Notes that `key` is on `node`. `ret_came` tells whether the clients shall know. */
static enum err put(struct presence *presence, struct presence_node *node, const struct room_key *key,
                    bool *ret_came)
{
    struct presence_user *user = presence_find_or_add(presence, key);
    if (!user)
        return ERR_NO_MEMORY;
    struct presence_elsewhere *elsewhere = *find_elsewhere(user, node);
    *ret_came = false;
    if (!elsewhere) {
        elsewhere = add_elsewhere(user, node);
        if (!elsewhere) {
            if (!presence_is_held(user) && user->leave_at_ms == 0)
                presence_drop(presence, user);
            return ERR_NO_MEMORY;
        }
        *ret_came = presence_comes(presence, user);
        user->elsewhere = elsewhere;
        node->users++;
    }
    elsewhere->marked = true;
    return ERR_OK;
}

/* Takes one entry out; true when the clients shall know. The user may be gone after it. */
static bool take(struct presence *presence, struct presence_user *user, struct presence_elsewhere **link,
                 uint64_t now_ms, bool at_once)
{
    struct presence_elsewhere *elsewhere = *link;
    *link = elsewhere->next;
    elsewhere->node->users--;
    free(elsewhere);
    return presence_goes(presence, user, now_ms, at_once);
}

static bool is_node_name(struct slice name)
{
    return name.len >= 1 && name.len <= PRESENCE_NODE_MAX && !memchr(name.data, '\0', name.len);
}

static enum err come(struct presence *presence, const struct presence_word *word,
                     struct presence_change *change)
{
    struct presence_node *node = find_or_add_node(presence, word->node);
    if (!node)
        return ERR_NO_MEMORY;
    enum err err = put(presence, node, word->user, &change->global);
    if (err != ERR_OK)
        drop_if_unused(presence, node);
    return err;
}

static void go(struct presence *presence, const struct presence_word *word, uint64_t now_ms,
               struct presence_change *change)
{
    struct presence_node *node = find_node(presence, word->node);
    struct presence_user *user = presence_find(presence, word->user);
    struct presence_elsewhere **link = node && user ? find_elsewhere(user, node) : NULL;
    if (!link || !*link)
        return;
    change->global = take(presence, user, link, now_ms, false);
    drop_if_unused(presence, node);
}

enum err presence_remote(struct presence *presence, const struct presence_word *word, uint64_t now_ms,
                         struct presence_change *ret_change)
{
    if (!is_node_name(word->node))
        return ERR_RANGE;
    struct presence_change change = {.online = word->online};
    const struct presence_node *before = find_node(presence, word->node);
    bool is_counted = word->version != 0;
    if (is_counted && before && word->version <= before->heard) {
        *ret_change = change;
        return ERR_OK;
    }
    change.missed = is_counted && word->previous != (before ? before->version : 0);
    if (!word->online) {
        go(presence, word, now_ms, &change);
    } else {
        enum err err = come(presence, word, &change);
        if (err != ERR_OK)
            return err;
    }
    struct presence_node *node = find_node(presence, word->node);
    if (node && is_counted) {
        node->heard = word->version;
        if (!change.missed)
            node->version = word->version;
    }
    *ret_change = change;
    return ERR_OK;
}

/* --- snapshots --- */

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
static void sweep(struct presence *presence, const struct presence_node *node, uint64_t now_ms, bool at_once,
                  presence_visit visit, void *context)
{
    struct presence_user *user, *next;
    HASH_ITER(hh, presence->users, user, next)
    {
        struct presence_elsewhere **link = find_elsewhere(user, node);
        if (!*link || (*link)->marked)
            continue;
        struct room_key key = user->user;
        if (take(presence, user, link, now_ms, at_once))
            visit(context, &key, false);
    }
}

/* The page's place in the snapshot; false when a page before it was missed. */
static bool is_in_order(struct presence *presence, struct presence_node *node,
                        const struct presence_page *page)
{
    if (page->page <= 1) {
        unmark(presence, node);
        node->page_version = page->version;
        node->next_page = 2;
        return true;
    }
    bool is_next = page->page == node->next_page && page->version == node->page_version;
    node->next_page = is_next ? page->page + 1 : 0;
    return is_next;
}

static enum err put_page(struct presence *presence, struct presence_node *node,
                         const struct presence_page *page, presence_visit visit, void *context)
{
    for (size_t i = 0; i < page->count; i++) {
        bool came = false;
        enum err err = put(presence, node, &page->users[i], &came);
        if (err != ERR_OK)
            return err;
        struct presence_user *user = presence_find(presence, &page->users[i]);
        user->is_new = false; /* was there before */
        if (came)
            visit(context, &page->users[i], true);
    }
    return ERR_OK;
}

enum err presence_snapshot(struct presence *presence, const struct presence_page *page, uint64_t now_ms,
                           presence_visit visit, void *context)
{
    if (!is_node_name(page->node))
        return ERR_RANGE;
    struct presence_node *node = find_or_add_node(presence, page->node);
    if (!node)
        return ERR_NO_MEMORY;
    bool is_known = page->version != 0 && (page->version < node->heard || page->version == node->version);
    if (is_known)
        return ERR_OK;
    bool is_whole = is_in_order(presence, node, page);
    enum err err = put_page(presence, node, page, visit, context);
    if (err != ERR_OK) {
        node->next_page = 0; /* half a list says nothing about who is missing from it */
    } else if (is_whole && page->page == page->pages) {
        sweep(presence, node, now_ms, false, visit, context);
        node->version = node->heard = page->version;
        node->next_page = 0;
    }
    drop_if_unused(presence, node);
    return err;
}

enum err presence_is_leaving(struct presence *presence, const struct room_key *key, uint64_t leave_at_ms)
{
    struct presence_user *user = presence_find(presence, key);
    if (!user && presence->is_settling && presence->leave_delay_ms > 0) {
        user = presence_find_or_add(presence, key);
        if (!user)
            return ERR_NO_MEMORY;
        presence_set_leaving(presence, user, leave_at_ms);
        return ERR_OK;
    }
    if (!user)
        return ERR_OK;
    user->is_new = false;
    if (user->leave_at_ms != 0 && leave_at_ms > user->leave_at_ms + LATER_MS)
        presence_set_leaving(presence, user, leave_at_ms);
    return ERR_OK;
}

void presence_forget(struct presence *presence, struct slice name, bool at_once, uint64_t now_ms,
                     presence_visit visit, void *context)
{
    struct presence_node *node = find_node(presence, name);
    if (!node)
        return;
    unmark(presence, node);
    sweep(presence, node, now_ms, at_once, visit, context);
    drop_if_unused(presence, node);
}

uint64_t presence_version(const struct presence *presence, struct slice name)
{
    const struct presence_node *node = find_node(presence, name);
    return node ? node->version : 0;
}

uint64_t presence_heard(const struct presence *presence, struct slice name)
{
    const struct presence_node *node = find_node(presence, name);
    return node ? node->heard : 0;
}
