#include <roomcast/core/lease.h>

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define SETTLE_MAX_MS 300u
#define LOOK_MIN_MS   20u
#define AT_ONCE       2u /* steps after a failure that do not wait */

uint64_t lease_margin_ms(uint64_t ttl_ms)
{
    return ttl_ms / 4;
}

uint64_t lease_settle_ms(uint64_t ttl_ms)
{
    return ttl_ms / 4 < SETTLE_MAX_MS ? ttl_ms / 4 : SETTLE_MAX_MS;
}

uint64_t lease_renew_ms(uint64_t ttl_ms)
{
    return ttl_ms / 3;
}

uint64_t lease_look_ms(uint64_t ttl_ms)
{
    return ttl_ms / 10 > LOOK_MIN_MS ? ttl_ms / 10 : LOOK_MIN_MS;
}

void lease_init(struct lease *lease, const char *instance, uint64_t ttl_ms)
{
    assert(ttl_ms > 0 && ttl_ms <= LEASE_TTL_MAX_MS);
    *lease = (struct lease){.state = LEASE_LOOK, .ttl_ms = ttl_ms};
    snprintf(lease->instance, sizeof lease->instance, "%s", instance);
}

bool lease_is_consistent(const struct lease *lease)
{
    if (lease->role == LEASE_ACTIVE && !lease->holds)
        return false;
    if (lease->role == LEASE_STANDBY && (lease->holds || lease->valid_ms))
        return false;
    if (lease->news == LEASE_NEWS_LOST && lease->holds)
        return false;
    if ((lease->news == LEASE_NEWS_GAINED || lease->news == LEASE_NEWS_RESUMED) && !lease->holds)
        return false;
    if (lease->state == LEASE_ENDED && !lease->releasing)
        return false;
    return lease->role == LEASE_STANDBY || lease->write > 0;
}

uint64_t lease_valid_until(const struct lease *lease)
{
    return lease->role == LEASE_ACTIVE && !lease->releasing ? lease->valid_ms : 0;
}

/* --- moves --- */

static void look_at(struct lease *lease, uint64_t at_ms)
{
    lease->state = LEASE_LOOK;
    lease->at_ms = at_ms;
}

static void write_at(struct lease *lease, uint64_t at_ms)
{
    lease->state = LEASE_WRITE;
    lease->at_ms = at_ms;
}

/* A look and a write at once: most often what happened is over. Then slowly. */
static uint64_t again_ms(struct lease *lease, uint64_t now_ms, uint32_t jitter)
{
    uint64_t pause = lease_look_ms(lease->ttl_ms);

    return lease->failures++ < AT_ONCE ? now_ms : now_ms + pause / 2 + jitter % (pause / 2 + 1);
}

/* Our last write is the last record, or was a moment ago. */
static void on_ours(struct lease *lease, uint64_t stream_seq, uint64_t now_ms)
{
    bool unbroken = lease->role == LEASE_ACTIVE && now_ms < lease->valid_ms;

    lease->expect = stream_seq;
    lease->unanswered = false;
    lease->failures = 0;
    lease->valid_ms = lease->sent_ms + lease->ttl_ms - lease_margin_ms(lease->ttl_ms);
    if (unbroken) {
        write_at(lease, lease->sent_ms + lease_renew_ms(lease->ttl_ms));
        return;
    }
    lease->role = LEASE_TAKEN;
    lease->settled_ms = now_ms + lease_settle_ms(lease->ttl_ms);
    look_at(lease, lease->settled_ms);
}

static void activate(struct lease *lease)
{
    lease->news = lease->holds ? LEASE_NEWS_RESUMED : LEASE_NEWS_GAINED;
    lease->holds = true;
    lease->role = LEASE_ACTIVE;
    write_at(lease, lease->sent_ms + lease_renew_ms(lease->ttl_ms));
}

static void stand_by(struct lease *lease)
{
    if (lease->holds) /* who has not heard that he gained it need not hear that he lost it */
        lease->news = lease->news == LEASE_NEWS_GAINED ? LEASE_NO_NEWS : LEASE_NEWS_LOST;
    lease->holds = false;
    lease->role = LEASE_STANDBY;
    lease->valid_ms = 0;
    lease->unanswered = false;
    lease->failures = 0;
    lease->watching = false;
}

/* While it is to be released, and nothing is awaited: a failed write is looked after once. */
static void go_on_releasing(struct lease *lease, uint64_t now_ms)
{
    bool answered = lease->state == LEASE_LOOK || lease->state == LEASE_WRITE;

    if (!answered || !lease->releasing)
        return;
    if (lease->role == LEASE_STANDBY || (lease->state == LEASE_LOOK && lease->failures >= AT_ONCE))
        lease->state = LEASE_ENDED;
    else if (lease->state == LEASE_LOOK && lease->failures > 0)
        look_at(lease, now_ms);
    else
        write_at(lease, now_ms);
}

/* --- what is the last record --- */

/* Another's record, or one that is gone (`stream_seq` 0): only when it does not change for as long as its
 * holder believes in it. */
static void watch(struct lease *lease, uint64_t stream_seq, uint64_t ttl_ms, uint64_t now_ms, uint32_t jitter)
{
    if (!lease->watching || lease->watched_seq != stream_seq) {
        lease->watching = true;
        lease->watched_seq = stream_seq;
        lease->watched_since_ms = now_ms;
        lease->watched_ttl_ms = ttl_ms > lease->ttl_ms ? ttl_ms : lease->ttl_ms;
        lease->failures = 0;
    }
    uint64_t over_ms = lease->watched_since_ms + lease->watched_ttl_ms;
    uint64_t next_ms = now_ms + lease_look_ms(lease->ttl_ms);

    lease->expect = stream_seq;
    if (now_ms >= over_ms)
        write_at(lease, again_ms(lease, now_ms, jitter));
    else
        look_at(lease, next_ms < over_ms ? next_ms : over_ms);
}

static void on_none(struct lease *lease, uint64_t now_ms, uint32_t jitter)
{
    if (lease->role == LEASE_STANDBY && lease->watching) {
        /* The store lost it; its holder may still believe in it. */
        watch(lease, 0, lease->watched_ttl_ms, now_ms, jitter);
        return;
    }
    lease->expect = 0;
    write_at(lease, again_ms(lease, now_ms, jitter));
}

static void on_own(struct lease *lease, const struct lease_last *last, uint64_t now_ms, uint32_t jitter)
{
    bool newest = last->record.write == lease->write;

    if (lease->role == LEASE_STANDBY) {
        lease->expect = last->stream_seq;
        if (lease->unanswered && newest) /* a take-over whose answer was lost */
            write_at(lease, again_ms(lease, now_ms, jitter));
        else /* of a time before: the store has gone back */
            watch(lease, last->stream_seq, last->record.ttl_ms, now_ms, jitter);
        return;
    }
    if (lease->unanswered && newest) {
        on_ours(lease, last->stream_seq, now_ms);
        return;
    }
    lease->expect = last->stream_seq;
    lease->unanswered = false;
    if (lease->role == LEASE_TAKEN && newest && now_ms >= lease->settled_ms && now_ms < lease->valid_ms)
        activate(lease);
    else
        write_at(lease, again_ms(lease, now_ms, jitter));
}

static void on_other(struct lease *lease, const struct lease_last *last, uint64_t now_ms, uint32_t jitter)
{
    bool found = last->kind == LEASE_LAST_FOUND;

    if (lease->role != LEASE_STANDBY)
        stand_by(lease);
    if (found && last->record.term > lease->term)
        lease->term = last->record.term;
    watch(lease, last->stream_seq, found ? last->record.ttl_ms : lease->ttl_ms, now_ms, jitter);
    if (found && last->record.released && lease->state == LEASE_LOOK)
        write_at(lease, again_ms(lease, now_ms, jitter));
}

void lease_on_last(struct lease *lease, const struct lease_last *last, uint64_t now_ms, uint32_t jitter)
{
    assert(lease->state == LEASE_LOOKING);
    switch (last->kind) {
    case LEASE_LAST_FOUND:
        if (strcmp(last->record.instance, lease->instance) == 0)
            on_own(lease, last, now_ms, jitter);
        else
            on_other(lease, last, now_ms, jitter);
        break;
    case LEASE_LAST_UNREADABLE:
        on_other(lease, last, now_ms, jitter);
        break;
    case LEASE_LAST_NONE:
        on_none(lease, now_ms, jitter);
        break;
    case LEASE_LAST_UNAVAILABLE:
        lease->failures += AT_ONCE;
        look_at(lease, again_ms(lease, now_ms, jitter));
        break;
    }
    go_on_releasing(lease, now_ms);
    assert(lease_is_consistent(lease));
}

void lease_on_put(struct lease *lease, enum lease_put_status status, uint64_t stream_seq, uint64_t now_ms,
                  uint32_t jitter)
{
    assert(lease->state == LEASE_WRITING);
    if (lease->release_tried) {
        lease->state = LEASE_ENDED;
    } else if (status == LEASE_PUT_STORED) {
        on_ours(lease, stream_seq, now_ms);
    } else {
        lease->unanswered = status == LEASE_PUT_UNKNOWN;
        if (status == LEASE_PUT_FENCED) /* what the lease rests on is not the last record */
            lease->valid_ms = 0;
        look_at(lease, again_ms(lease, now_ms, jitter));
    }
    go_on_releasing(lease, now_ms);
    assert(lease_is_consistent(lease));
}

void lease_release(struct lease *lease, uint64_t now_ms)
{
    lease->releasing = true;
    go_on_releasing(lease, now_ms);
    assert(lease_is_consistent(lease));
}

/* --- actions --- */

static struct lease_action put(struct lease *lease, uint64_t now_ms)
{
    if (lease->role == LEASE_STANDBY)
        lease->term++;
    lease->write++;
    lease->sent_ms = now_ms;
    lease->release_tried = lease->releasing;
    lease->state = LEASE_WRITING;
    return (struct lease_action){
        .kind = LEASE_PUT,
        .expect_last = lease->expect,
        .term = lease->term,
        .write = lease->write,
        .released = lease->releasing,
    };
}

static struct lease_action tell(struct lease *lease)
{
    static const enum lease_action_kind kinds[] = {
        [LEASE_NEWS_GAINED] = LEASE_GAINED,
        [LEASE_NEWS_RESUMED] = LEASE_RESUMED,
        [LEASE_NEWS_LOST] = LEASE_LOST,
    };
    struct lease_action action = {.kind = kinds[lease->news]};

    lease->news = LEASE_NO_NEWS;
    return action;
}

struct lease_action lease_next(struct lease *lease, uint64_t now_ms)
{
    struct lease_action action = {.kind = LEASE_NOTHING};

    if (lease->news != LEASE_NO_NEWS)
        return tell(lease);
    switch (lease->state) {
    case LEASE_LOOK:
    case LEASE_WRITE:
        if (now_ms < lease->at_ms) {
            action.kind = LEASE_WAIT;
            action.until_ms = lease->at_ms;
        } else if (lease->state == LEASE_LOOK) {
            lease->state = LEASE_LOOKING;
            action.kind = LEASE_READ;
        } else {
            action = put(lease, now_ms);
        }
        break;
    case LEASE_LOOKING:
    case LEASE_WRITING:
    case LEASE_ENDED:
        break;
    }
    assert(lease_is_consistent(lease));
    return action;
}
