#include "presence_internal.h"

#include <stdlib.h>

enum err presence_new(uint64_t leave_delay_ms, struct presence **ret_presence)
{
    struct presence *presence = calloc(1, sizeof *presence);
    if (!presence)
        return ERR_NO_MEMORY;
    presence->leave_delay_ms = leave_delay_ms;
    presence->is_settling = true;
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
    presence_free_nodes(*presence);
    free(*presence);
    *presence = NULL;
}

/* --- users --- */

struct presence_user *presence_find(const struct presence *presence, const struct room_key *key)
{
    struct presence_user *user;
    HASH_FIND(hh, presence->users, key, ROOM_KEY_BYTES(key), user);
    return user;
}

struct presence_user *presence_find_or_add(struct presence *presence, const struct room_key *key)
{
    struct presence_user *user = presence_find(presence, key);
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

static void stop_leaving(struct presence *presence, struct presence_user *user)
{
    if (user->leave_at_ms == 0)
        return;
    *(user->previous ? &user->previous->next : &presence->leaving) = user->next;
    *(user->next ? &user->next->previous : &presence->last) = user->previous;
    user->leave_at_ms = 0;
    user->previous = user->next = NULL;
    presence->leaving_users--;
}

/* Most are the last to go: those who have just left. */
void presence_set_leaving(struct presence *presence, struct presence_user *user, uint64_t leave_at_ms)
{
    stop_leaving(presence, user);
    struct presence_user *before = presence->last;
    while (before && before->leave_at_ms > leave_at_ms)
        before = before->previous;
    user->leave_at_ms = leave_at_ms;
    user->previous = before;
    user->next = before ? before->next : presence->leaving;
    *(user->previous ? &user->previous->next : &presence->leaving) = user;
    *(user->next ? &user->next->previous : &presence->last) = user;
    presence->leaving_users++;
}

void presence_drop(struct presence *presence, struct presence_user *user)
{
    stop_leaving(presence, user);
    HASH_DELETE(hh, presence->users, user);
    free(user);
}

bool presence_comes(struct presence *presence, struct presence_user *user)
{
    bool is_absent = !presence_is_held(user) && user->leave_at_ms == 0;
    stop_leaving(presence, user);
    if (is_absent && presence->is_settling)
        user->is_new = true;
    return is_absent && !presence->is_settling;
}

bool presence_goes(struct presence *presence, struct presence_user *user, uint64_t now_ms, bool at_once)
{
    if (presence_is_held(user))
        return false;
    if (!at_once && presence->leave_delay_ms > 0) {
        presence_set_leaving(presence, user, now_ms + presence->leave_delay_ms);
        return false;
    }
    bool was_told = !user->is_new;
    presence_drop(presence, user);
    return was_told;
}

enum err presence_join(struct presence *presence, const struct room_key *key,
                       struct presence_change *ret_change)
{
    struct presence_user *user = presence_find_or_add(presence, key);
    if (!user)
        return ERR_NO_MEMORY;
    bool comes = presence_comes(presence, user), is_first = user->local == 0;
    *ret_change = (struct presence_change){.local = is_first, .global = comes, .online = true};
    presence->local_users += is_first;
    user->local++;
    return ERR_OK;
}

void presence_leave(struct presence *presence, const struct room_key *key, uint64_t now_ms,
                    struct presence_change *ret_change)
{
    struct presence_user *user = presence_find(presence, key);
    *ret_change = (struct presence_change){.local = false};
    if (!user || user->local == 0) /* the join found no memory */
        return;
    user->local--;
    if (user->local > 0)
        return;
    presence->local_users--;
    *ret_change = (struct presence_change){.local = true, .online = false};
    ret_change->global = presence_goes(presence, user, now_ms, false);
}

/* --- time --- */

void presence_settle(struct presence *presence, presence_visit visit, void *context)
{
    struct presence_user *user, *next;
    presence->is_settling = false;
    HASH_ITER(hh, presence->users, user, next)
    {
        if (user->is_new)
            visit(context, &user->user, true);
        user->is_new = false;
    }
}

uint64_t presence_due(const struct presence *presence)
{
    return presence->leaving ? presence->leaving->leave_at_ms : 0;
}

void presence_run(struct presence *presence, uint64_t now_ms, presence_visit visit, void *context)
{
    while (presence->leaving && presence->leaving->leave_at_ms <= now_ms) {
        struct presence_user *user = presence->leaving;
        struct room_key key = user->user;
        bool was_told = !user->is_new;
        presence_drop(presence, user);
        if (was_told)
            visit(context, &key, false);
    }
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

size_t presence_leaving_count(const struct presence *presence)
{
    return presence->leaving_users;
}

void presence_each(const struct presence *presence, bool local_only, presence_visit visit, void *context)
{
    const struct presence_user *user;
    for (user = presence->users; user; user = user->hh.next) {
        if (!local_only || user->local > 0)
            visit(context, &user->user, true);
    }
}

void presence_each_leaving(const struct presence *presence, presence_leaving_visit visit, void *context)
{
    for (const struct presence_user *user = presence->leaving; user; user = user->next)
        visit(context, &user->user, user->leave_at_ms);
}
