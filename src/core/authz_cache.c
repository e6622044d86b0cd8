#include <roomcast/core/authz_cache.h>

#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

#include <roomcast/base/hash.h>
#include <roomcast/core/room_table.h>

/* Its pairs by their state, in utlists. */
struct authz_user {
    struct room_entry entry;                   /* first: in cache->users */
    struct authz_pair *queued, *asked, *known; /* oldest first; known: used longest ago first */
    size_t asked_count, known_count;
    bool is_ready;                  /* has something queued, and is asked about less than it may */
    struct authz_user *prev, *next; /* in cache->ready, while is_ready */
    char key[];                     /* as a key is stored: wire/room_key.h */
};

/* Plain bytes, without padding. */
struct pair_key {
    struct authz_user *user;
    struct uuid chat;
};

struct authz_pair {
    UT_hash_handle hh;
    struct pair_key key;
    enum pair_state { QUEUED, ASKED, ALLOWED, DENIED } state;
    bool is_forgotten; /* QUEUED, ASKED: not in the table, so it is for those who wait already */
    struct authz_pair *prev_u, *next_u; /* in its user's list */
    struct authz_pair *prev, *next;     /* ALLOWED, DENIED: in cache->known */
    struct authz_waiter *waiters;       /* utlist, borrowed */
    struct shared_text *claims;         /* QUEUED: owned reference */
    uint64_t until_ms;                  /* ALLOWED, DENIED */
};

struct authz_cache {
    struct authz_limits limits;
    struct room_table users;  /* of struct authz_user, owned */
    struct authz_pair *pairs; /* owned, but for those that are forgotten */
    struct authz_pair *known; /* utlist: used longest ago first */
    struct authz_user *ready; /* utlist: whose turn it is next first */
    size_t queued_count, asked_count, known_count;
    struct authz_waiter *soonest, *latest; /* by deadline */
};

enum err authz_cache_new(const struct authz_limits *limits, struct authz_cache **ret_cache)
{
    struct authz_cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        return ERR_NO_MEMORY;
    if (room_table_init(&cache->users) != ERR_OK) {
        free(cache);
        return ERR_NO_MEMORY;
    }
    cache->limits = *limits;
    *ret_cache = cache;
    return ERR_OK;
}

size_t authz_pending(const struct authz_cache *cache)
{
    return cache->queued_count + cache->asked_count;
}

/* --- users --- */

static struct authz_user *find_user(const struct authz_cache *cache, const struct room_key *key)
{
    return (struct authz_user *)room_table_find(&cache->users, key);
}

static struct authz_user *add_user(struct authz_cache *cache, const struct room_key *key)
{
    struct authz_user *user = calloc(1, sizeof *user + ROOM_KEY_STORED(key));
    if (!user)
        return NULL;
    memcpy(user->key, key, ROOM_KEY_STORED(key));
    user->entry.key = user->key;
    room_table_add(&cache->users, &user->entry);
    return user;
}

static void drop_user_without_pairs(struct authz_cache *cache, struct authz_user *user)
{
    if (user->queued || user->asked || user->known)
        return;
    room_table_remove(&cache->users, &user->entry);
    free(user);
}

static void note_ready(struct authz_cache *cache, struct authz_user *user)
{
    bool is_ready = user->queued && user->asked_count < cache->limits.in_flight_per_user;
    if (is_ready && !user->is_ready)
        DL_APPEND(cache->ready, user);
    if (!is_ready && user->is_ready)
        DL_DELETE(cache->ready, user);
    user->is_ready = is_ready;
}

/* --- pairs --- */

static struct authz_pair *find_pair(const struct authz_cache *cache, struct authz_user *user,
                                    const struct uuid *chat)
{
    const struct pair_key key = {.user = user, .chat = *chat};
    struct authz_pair *pair;
    HASH_FIND(hh, cache->pairs, &key, sizeof key, pair);
    return pair;
}

static void enter(struct authz_cache *cache, struct authz_pair *pair, enum pair_state state)
{
    struct authz_user *user = pair->key.user;
    pair->state = state;
    switch (state) {
    case QUEUED:
        DL_APPEND2(user->queued, pair, prev_u, next_u);
        cache->queued_count++;
        break;
    case ASKED:
        DL_APPEND2(user->asked, pair, prev_u, next_u);
        user->asked_count++;
        cache->asked_count++;
        break;
    case ALLOWED:
    case DENIED:
        DL_APPEND2(user->known, pair, prev_u, next_u);
        DL_APPEND(cache->known, pair);
        user->known_count++;
        cache->known_count++;
        break;
    }
    note_ready(cache, user);
}

static void leave(struct authz_cache *cache, struct authz_pair *pair)
{
    struct authz_user *user = pair->key.user;
    switch (pair->state) {
    case QUEUED:
        DL_DELETE2(user->queued, pair, prev_u, next_u);
        cache->queued_count--;
        break;
    case ASKED:
        DL_DELETE2(user->asked, pair, prev_u, next_u);
        user->asked_count--;
        cache->asked_count--;
        break;
    case ALLOWED:
    case DENIED:
        DL_DELETE2(user->known, pair, prev_u, next_u);
        DL_DELETE(cache->known, pair);
        user->known_count--;
        cache->known_count--;
        break;
    }
    note_ready(cache, user);
}

static void forget(struct authz_cache *cache, struct authz_pair *pair)
{
    if (!pair->is_forgotten)
        HASH_DEL(cache->pairs, pair);
    pair->is_forgotten = true;
}

static void free_pair(struct authz_cache *cache, struct authz_pair *pair)
{
    struct authz_user *user = pair->key.user;
    assert(!pair->waiters);
    leave(cache, pair);
    forget(cache, pair);
    shared_text_unref(&pair->claims);
    free(pair);
    drop_user_without_pairs(cache, user);
}

static struct authz_pair *add_pair(struct authz_cache *cache, struct authz_user *user,
                                   const struct uuid *chat, struct shared_text *claims)
{
    struct authz_pair *pair = calloc(1, sizeof *pair);
    if (!pair)
        return NULL;
    pair->key = (struct pair_key){.user = user, .chat = *chat};
    HASH_ADD(hh, cache->pairs, key, sizeof pair->key, pair);
    if (!pair->hh.tbl) { /* uthash had no memory */
        free(pair);
        return NULL;
    }
    pair->claims = shared_text_ref(claims);
    enter(cache, pair, QUEUED);
    return pair;
}

/* --- waiters --- */

static void wait_for(struct authz_cache *cache, struct authz_pair *pair, struct authz_waiter *waiter,
                     uint64_t now_ms)
{
    *waiter = (struct authz_waiter){
        .pair = pair, .deadline_ms = now_ms + cache->limits.wait_ms, .sooner = cache->latest};
    if (cache->latest)
        cache->latest->later = waiter;
    else
        cache->soonest = waiter;
    cache->latest = waiter;
    DL_APPEND(pair->waiters, waiter);
}

static void stop_waiting(struct authz_cache *cache, struct authz_waiter *waiter)
{
    if (waiter->sooner)
        waiter->sooner->later = waiter->later;
    else
        cache->soonest = waiter->later;
    if (waiter->later)
        waiter->later->sooner = waiter->sooner;
    else
        cache->latest = waiter->sooner;
}

static struct authz_waiter *take_waiters(struct authz_cache *cache, struct authz_pair *pair)
{
    struct authz_waiter *waiters = pair->waiters, *waiter;
    DL_FOREACH(waiters, waiter)
    stop_waiting(cache, waiter);
    pair->waiters = NULL;
    return waiters;
}

/* --- asking --- */

/* What is known and still holds; it is now the one used last. */
static bool recall(struct authz_cache *cache, struct authz_pair *pair, uint64_t now_ms)
{
    if (pair->state != ALLOWED && pair->state != DENIED)
        return false;
    if (pair->until_ms <= now_ms)
        return false;
    enum pair_state state = pair->state;
    leave(cache, pair);
    enter(cache, pair, state);
    return true;
}

static enum authz_verdict ask_anew(struct authz_cache *cache, const struct room_key *user_key,
                                   const struct uuid *chat, struct shared_text *claims,
                                   struct authz_waiter *waiter, uint64_t now_ms)
{
    if (authz_pending(cache) >= cache->limits.pending)
        return AUTHZ_FULL;
    struct authz_user *user = find_user(cache, user_key);
    if (!user && !(user = add_user(cache, user_key)))
        return AUTHZ_NO_MEMORY;
    struct authz_pair *pair = add_pair(cache, user, chat, claims);
    if (!pair) {
        drop_user_without_pairs(cache, user);
        return AUTHZ_NO_MEMORY;
    }
    wait_for(cache, pair, waiter, now_ms);
    return AUTHZ_WAIT;
}

enum authz_verdict authz_ask(struct authz_cache *cache, const struct room_key *user_key,
                             const struct uuid *chat, struct shared_text *claims, struct authz_waiter *waiter,
                             uint64_t now_ms)
{
    struct authz_user *user = find_user(cache, user_key);
    struct authz_pair *pair = user ? find_pair(cache, user, chat) : NULL;
    if (pair && recall(cache, pair, now_ms))
        return pair->state == ALLOWED ? AUTHZ_ALLOWED : AUTHZ_DENIED;
    if (pair && (pair->state == QUEUED || pair->state == ASKED)) {
        wait_for(cache, pair, waiter, now_ms);
        return AUTHZ_WAIT;
    }
    if (pair)
        free_pair(cache, pair);
    return ask_anew(cache, user_key, chat, claims, waiter, now_ms);
}

bool authz_next(struct authz_cache *cache, struct authz_question *ret_question)
{
    struct authz_user *user = cache->ready;
    if (!user || cache->asked_count >= cache->limits.in_flight)
        return false;
    struct authz_pair *pair = user->queued;
    leave(cache, pair);
    enter(cache, pair, ASKED);
    if (user->is_ready) { /* and behind all others */
        DL_DELETE(cache->ready, user);
        DL_APPEND(cache->ready, user);
    }
    *ret_question = (struct authz_question){.pair = pair, .chat = pair->key.chat, .claims = pair->claims};
    room_key_load(user->key, &ret_question->user);
    pair->claims = NULL;
    return true;
}

/* --- answers --- */

static void keep(struct authz_cache *cache, struct authz_pair *pair, bool allowed, uint64_t until_ms)
{
    struct authz_user *user = pair->key.user;
    leave(cache, pair);
    enter(cache, pair, allowed ? ALLOWED : DENIED);
    pair->until_ms = until_ms;
    if (user->known_count > cache->limits.known_per_user)
        free_pair(cache, user->known);
    if (cache->known_count > cache->limits.known)
        free_pair(cache, cache->known);
}

struct authz_waiter *authz_answer(struct authz_cache *cache, struct authz_pair *pair, bool allowed,
                                  uint64_t keep_ms, uint64_t now_ms)
{
    struct authz_waiter *waiters = take_waiters(cache, pair);
    assert(pair->state == ASKED);
    if (keep_ms > 0 && !pair->is_forgotten)
        keep(cache, pair, allowed, now_ms + keep_ms);
    else
        free_pair(cache, pair);
    return waiters;
}

struct authz_waiter *authz_no_answer(struct authz_cache *cache, struct authz_pair *pair)
{
    struct authz_waiter *waiters = take_waiters(cache, pair);
    assert(pair->state == ASKED);
    free_pair(cache, pair);
    return waiters;
}

static void append_to(struct authz_waiter **first, struct authz_waiter **last, struct authz_waiter *waiter)
{
    waiter->next = NULL;
    if (*last)
        (*last)->next = waiter;
    else
        *first = waiter;
    *last = waiter;
}

/* A question that nobody waits for is not sent; one that is under way is still worth its answer. */
struct authz_waiter *authz_expire(struct authz_cache *cache, uint64_t now_ms)
{
    struct authz_waiter *first = NULL, *last = NULL, *waiter;
    while ((waiter = cache->soonest) && waiter->deadline_ms <= now_ms) {
        struct authz_pair *pair = waiter->pair;
        stop_waiting(cache, waiter);
        DL_DELETE(pair->waiters, waiter);
        if (!pair->waiters && pair->state == QUEUED)
            free_pair(cache, pair);
        append_to(&first, &last, waiter);
    }
    return first;
}

struct authz_waiter *authz_give_up(struct authz_cache *cache)
{
    return authz_expire(cache, UINT64_MAX);
}

void authz_forget_user(struct authz_cache *cache, const struct room_key *user_key)
{
    struct authz_user *user = find_user(cache, user_key);
    struct authz_pair *pair;
    if (!user)
        return;
    DL_FOREACH2(user->queued, pair, next_u)
    forget(cache, pair);
    DL_FOREACH2(user->asked, pair, next_u)
    forget(cache, pair);
    for (size_t left = user->known_count; left > 0; left--) /* the last may take the user with it */
        free_pair(cache, user->known);
}

/* --- the end --- */

static void free_pairs(struct authz_pair *pairs)
{
    struct authz_pair *pair, *next;
    DL_FOREACH_SAFE2(pairs, pair, next, next_u)
    {
        assert(!pair->waiters);
        shared_text_unref(&pair->claims);
        free(pair);
    }
}

static void free_user(struct room_entry *entry)
{
    struct authz_user *user = (struct authz_user *)entry;
    free_pairs(user->queued);
    free_pairs(user->asked);
    free_pairs(user->known);
    free(user);
}

void authz_cache_free(struct authz_cache **cache)
{
    if (!*cache)
        return;
    HASH_CLEAR(hh, (*cache)->pairs);
    room_table_fini(&(*cache)->users, free_user);
    free(*cache);
    *cache = NULL;
}
