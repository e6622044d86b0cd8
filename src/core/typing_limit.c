#include <roomcast/core/typing_limit.h>

#include <stdlib.h>

#include <roomcast/base/hash.h>

#define SWEEP_MIN           16
#define TYPING_FORGOTTEN_MS 60000 /* after a start, for the stop that belongs to it */

struct typist {
    struct room_key user;
    uint64_t started_ms; /* the last start that was let through */
    bool is_typing;
    UT_hash_handle hh;
};

void typing_limit_init(struct typing_limit *limit)
{
    *limit = (struct typing_limit){.sweep_at = SWEEP_MIN};
}

static void forget(struct typing_limit *limit, struct typist *typist)
{
    HASH_DELETE(hh, limit->typists, typist);
    free(typist);
    limit->count--;
}

void typing_limit_fini(struct typing_limit *limit)
{
    struct typist *typist, *next;
    HASH_ITER(hh, limit->typists, typist, next)
    {
        forget(limit, typist);
    }
}

/* Entries that say nothing any more: the interval is over, and the start was ended, or is so old that its end
 * will not come. Swept when the table has doubled, so that the cost per call stays constant. */
static void sweep(struct typing_limit *limit, uint64_t interval_ms, uint64_t now_ms)
{
    struct typist *typist, *next;
    HASH_ITER(hh, limit->typists, typist, next)
    {
        uint64_t age_ms = now_ms - typist->started_ms;
        if (age_ms >= interval_ms && (!typist->is_typing || age_ms >= TYPING_FORGOTTEN_MS))
            forget(limit, typist);
    }
    limit->sweep_at = limit->count * 2 > SWEEP_MIN ? limit->count * 2 : SWEEP_MIN;
    if (limit->sweep_at > TYPING_USERS_MAX)
        limit->sweep_at = TYPING_USERS_MAX;
}

static struct typist *remember(struct typing_limit *limit, const struct room_key *user)
{
    if (limit->count >= TYPING_USERS_MAX)
        return NULL;
    struct typist *typist = calloc(1, sizeof *typist);
    if (!typist)
        return NULL;
    typist->user = *user;
    HASH_ADD(hh, limit->typists, user, ROOM_KEY_BYTES(user), typist);
    if (!typist->hh.tbl) { /* uthash had no memory */
        free(typist);
        return NULL;
    }
    limit->count++;
    return typist;
}

bool typing_limit_pass(struct typing_limit *limit, const struct room_key *user, bool is_typing,
                       uint64_t interval_ms, uint64_t now_ms)
{
    struct typist *typist;
    HASH_FIND(hh, limit->typists, user, ROOM_KEY_BYTES(user), typist);
    if (!is_typing) {
        bool ends_a_start = typist && typist->is_typing;
        if (ends_a_start)
            typist->is_typing = false;
        return ends_a_start;
    }
    if (typist && now_ms - typist->started_ms < interval_ms)
        return false;
    if (!typist) {
        if (limit->count >= limit->sweep_at)
            sweep(limit, interval_ms, now_ms);
        typist = remember(limit, user);
        if (!typist)
            return false;
    }
    typist->started_ms = now_ms;
    typist->is_typing = true;
    return true;
}
