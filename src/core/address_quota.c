#include <roomcast/core/address_quota.h>

#include <assert.h>
#include <stdlib.h>

#include <roomcast/base/hash.h>
#include <utlist.h>

#define PERIOD_MS 1000u
#define IDLE_MS   2000u /* then its bucket is full again, as a new one is */

struct asker {
    struct address subscriber; /* the key */
    uint32_t connections;
    struct rate_limit pace;
    uint64_t used_ms;
    struct asker *prev, *next; /* in `idle`, while it has no connections */
    UT_hash_handle hh;
};

struct address_quota {
    uint32_t connections;
    struct rate_limit_rule handshakes; /* count 0: none */
    struct asker *askers;              /* owned */
    struct asker *idle;                /* who was used longest ago comes first */
    uint32_t idle_count;
};

enum err address_quota_new(const struct address_quota_rules *rules, struct address_quota **ret_quota)
{
    struct address_quota *quota = calloc(1, sizeof *quota);
    if (!quota)
        return ERR_NO_MEMORY;
    quota->connections = rules->connections;
    quota->handshakes =
        (struct rate_limit_rule){rules->handshakes_per_s, PERIOD_MS, 2 * rules->handshakes_per_s};
    *ret_quota = quota;
    return ERR_OK;
}

static void make_idle(struct address_quota *quota, struct asker *asker)
{
    DL_APPEND(quota->idle, asker);
    quota->idle_count++;
}

static void end_idle(struct address_quota *quota, struct asker *asker)
{
    DL_DELETE(quota->idle, asker);
    quota->idle_count--;
}

static void forget(struct address_quota *quota, struct asker *asker)
{
    end_idle(quota, asker);
    HASH_DEL(quota->askers, asker);
    free(asker);
}

/* Two for each one that comes, so that those who have gone do not pile up. */
static void expire(struct address_quota *quota, uint64_t now_ms)
{
    for (unsigned at = 0; at < 2 && quota->idle; at++) {
        if (now_ms - quota->idle->used_ms < IDLE_MS && quota->idle_count < ADDRESS_QUOTA_IDLE_MAX)
            return;
        forget(quota, quota->idle);
    }
}

void address_quota_free(struct address_quota **quota)
{
    if (!*quota)
        return;
    struct asker *asker, *next;
    HASH_ITER(hh, (*quota)->askers, asker, next)
    {
        HASH_DEL((*quota)->askers, asker);
        free(asker);
    }
    free(*quota);
    *quota = NULL;
}

static struct asker *find(const struct address_quota *quota, const struct address *address)
{
    struct address subscriber = address_subscriber(address);
    struct asker *asker;
    HASH_FIND(hh, quota->askers, &subscriber, sizeof subscriber, asker);
    return asker;
}

static struct asker *find_or_add(struct address_quota *quota, const struct address *address, uint64_t now_ms)
{
    struct asker *asker = find(quota, address);
    if (asker)
        return asker;
    expire(quota, now_ms);
    asker = calloc(1, sizeof *asker);
    if (!asker)
        return NULL;
    asker->subscriber = address_subscriber(address);
    asker->used_ms = now_ms;
    rate_limit_init(&asker->pace, &quota->handshakes, now_ms);
    HASH_ADD(hh, quota->askers, subscriber, sizeof asker->subscriber, asker);
    if (!asker->hh.tbl) { /* HASH_NONFATAL_OOM */
        free(asker);
        return NULL;
    }
    make_idle(quota, asker);
    return asker;
}

static void note_used(struct address_quota *quota, struct asker *asker, uint64_t now_ms)
{
    asker->used_ms = now_ms;
    if (asker->connections > 0)
        return;
    end_idle(quota, asker);
    make_idle(quota, asker);
}

enum err address_quota_ask(struct address_quota *quota, const struct address *address, uint64_t now_ms)
{
    if (quota->handshakes.count == 0)
        return ERR_OK;
    struct asker *asker = find_or_add(quota, address, now_ms);
    if (!asker)
        return ERR_NO_MEMORY;
    note_used(quota, asker, now_ms);
    return rate_limit_take(&asker->pace, &quota->handshakes, now_ms) ? ERR_OK : ERR_BUSY;
}

enum err address_quota_take(struct address_quota *quota, const struct address *address, uint64_t now_ms)
{
    if (quota->connections == 0)
        return ERR_OK;
    struct asker *asker = find_or_add(quota, address, now_ms);
    if (!asker)
        return ERR_NO_MEMORY;
    if (asker->connections >= quota->connections)
        return ERR_BUSY;
    if (asker->connections++ == 0)
        end_idle(quota, asker);
    return ERR_OK;
}

void address_quota_give(struct address_quota *quota, const struct address *address, uint64_t now_ms)
{
    if (quota->connections == 0)
        return;
    struct asker *asker = find(quota, address);
    assert(asker && asker->connections > 0);
    if (--asker->connections > 0)
        return;
    asker->used_ms = now_ms;
    make_idle(quota, asker);
}

uint32_t address_quota_entries(const struct address_quota *quota)
{
    return HASH_COUNT(quota->askers);
}
