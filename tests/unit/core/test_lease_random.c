/* Relays that share a lease, over a store that answers late or never, is away, forgets, and whose fence is
 * not tight; relays are killed, frozen and drained, and their clocks differ. Seeded and in virtual time.
 * After every step at most one relay may work; when the trouble is over, one does, and stays.
 * ROOMCAST_SEED=<n> runs one seed only. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <roomcast/core/lease.h>

#include "seeded.h"

#define SEEDS      6000
#define RELAYS_MAX 4
#define EVENTS_MAX 256
#define RECORDS    4096

enum kind { TICK, REQUEST, APPLY, ANSWER, TIMEOUT };

struct record {
    uint64_t seq;
    struct lease_record record;
};
struct event {
    uint64_t at, order;
    enum kind kind;
    unsigned relay;
    uint64_t life, request; /* whose: answers to the dead and the impatient are dropped */
    bool is_put;
    uint64_t expect_last;         /* REQUEST of a put */
    struct lease_record record;   /* of a put */
    enum lease_put_status status; /* ANSWER to a put */
    struct lease_last last;       /* ANSWER to a read */
    uint64_t seq;
};
struct relay {
    struct lease lease;
    uint64_t life, request; /* request 0: none is open */
    uint64_t frozen_until, tick;
    uint64_t offset;
    int64_t drift; /* per mille */
    bool active;   /* as it was told: GAINED, not LOST */
};
struct world {
    uint64_t seed, now, order, lives, requests;
    uint64_t ttl, round; /* of replication, at most */
    bool tight, calm, forgets;
    unsigned trouble; /* per cent */
    uint64_t down_until, unsure_until;
    unsigned relays;
    struct relay relay[RELAYS_MAX];
    struct event events[EVENTS_MAX];
    unsigned events_count;
    struct record stored[RECORDS]; /* applied, oldest first */
    unsigned stored_count;
    uint64_t last_seq, proposed_seq, last_apply;
    uint64_t worker; /* the life that worked last */
    unsigned changes;
};

static uint64_t roll(struct world *world, uint64_t bound)
{
    return seeded_below(&world->seed, bound);
}

static bool trouble(struct world *world)
{
    return !world->calm && roll(world, 100) < world->trouble;
}

static void add(struct world *world, struct event event)
{
    assert_true(world->events_count < EVENTS_MAX);
    event.order = world->order++;
    world->events[world->events_count++] = event;
}

static uint64_t local(const struct world *world, const struct relay *relay)
{
    return relay->offset + world->now + (uint64_t)((int64_t)world->now * relay->drift / 1000);
}

static const struct record *last_record(const struct world *world)
{
    return world->stored_count ? &world->stored[world->stored_count - 1] : NULL;
}

/* --- the store --- */

static uint64_t delay(struct world *world)
{
    return trouble(world) && roll(world, 3) == 0 ? roll(world, 2 * world->ttl) : 1 + roll(world, 15);
}

static void answer(struct world *world, struct event event)
{
    event.kind = ANSWER;
    event.at = world->now + delay(world);
    if (!trouble(world))
        add(world, event);
}

static void arrive_put(struct world *world, struct event event)
{
    const struct record *last = last_record(world);
    uint64_t known = world->tight ? world->proposed_seq : last ? last->seq : 0;

    if (event.expect_last != known) {
        event.status = LEASE_PUT_FENCED;
        answer(world, event);
        return;
    }
    event.kind = APPLY;
    event.seq = world->proposed_seq = ++world->last_seq;
    event.at = world->now + 1 + roll(world, world->calm ? 5 : world->round);
    if (event.at < world->last_apply) /* a log: in the order of proposing */
        event.at = world->last_apply;
    world->last_apply = event.at;
    add(world, event);
}

static void apply(struct world *world, struct event event)
{
    assert_true(world->stored_count < RECORDS);
    world->stored[world->stored_count++] = (struct record){event.seq, event.record};
    event.status = LEASE_PUT_STORED;
    answer(world, event);
}

static void arrive(struct world *world, struct event event)
{
    const struct record *last = last_record(world);

    if (world->now < world->down_until) {
        if (!event.is_put)
            event.last.kind = LEASE_LAST_UNAVAILABLE;
        event.status = LEASE_PUT_FAILED;
        answer(world, event);
    } else if (event.is_put) {
        arrive_put(world, event);
    } else {
        event.last.kind = last ? LEASE_LAST_FOUND : LEASE_LAST_NONE;
        if (last) {
            event.last.stream_seq = last->seq;
            event.last.record = last->record;
        }
        answer(world, event);
    }
}

/* --- relays --- */

static void be_born(struct world *world, struct relay *relay)
{
    char instance[LEASE_INSTANCE_MAX + 1];

    relay->life = ++world->lives;
    relay->request = relay->frozen_until = 0;
    relay->active = false;
    snprintf(instance, sizeof instance, "life%llu", (unsigned long long)relay->life);
    lease_init(&relay->lease, instance, world->ttl);
    relay->tick = world->now;
}

static void send(struct world *world, struct relay *relay, const struct lease_action *action)
{
    struct event event = {.kind = REQUEST,
                          .at = world->now + delay(world),
                          .relay = (unsigned)(relay - world->relay),
                          .life = relay->life,
                          .request = ++world->requests,
                          .is_put = action->kind == LEASE_PUT,
                          .expect_last = action->expect_last,
                          .record = {.term = action->term,
                                     .write = action->write,
                                     .ttl_ms = world->ttl,
                                     .released = action->released}};

    memcpy(event.record.instance, relay->lease.instance, sizeof event.record.instance);
    relay->request = event.request;
    if (!trouble(world))
        add(world, event);
    event.kind = TIMEOUT;
    event.at = world->now + world->ttl / 3;
    add(world, event);
}

static void hear(struct world *world, struct relay *relay, enum lease_action_kind news)
{
    world->changes++;
    assert_int_equal(relay->active, news != LEASE_GAINED);
    /* Who goes on where it was may do so because nobody else worked meanwhile. */
    if (news == LEASE_RESUMED && world->now >= world->unsure_until)
        assert_int_equal(world->worker, relay->life);
    relay->active = news != LEASE_LOST;
}

static void drive(struct world *world, struct relay *relay)
{
    relay->tick = UINT64_MAX;
    for (;;) {
        struct lease_action action = lease_next(&relay->lease, local(world, relay));

        switch (action.kind) {
        case LEASE_NOTHING:
            if (relay->lease.state == LEASE_ENDED)
                be_born(world, relay);
            return;
        case LEASE_WAIT:
            relay->tick = world->now + 1 + action.until_ms - local(world, relay);
            return;
        case LEASE_READ:
        case LEASE_PUT:
            send(world, relay, &action);
            break;
        case LEASE_GAINED:
        case LEASE_RESUMED:
        case LEASE_LOST:
            hear(world, relay, action.kind);
            break;
        }
    }
}

static void take_answer(struct world *world, struct relay *relay, const struct event *event)
{
    uint64_t now = local(world, relay);
    uint32_t jitter = (uint32_t)roll(world, UINT32_MAX);

    relay->request = 0;
    if (event->is_put)
        lease_on_put(&relay->lease, event->status, event->seq, now, jitter);
    else
        lease_on_last(&relay->lease, &event->last, now, jitter);
    drive(world, relay);
}

static void handle(struct world *world, struct event event)
{
    struct relay *relay = &world->relay[event.relay];

    if (event.kind == REQUEST) {
        arrive(world, event);
        return;
    }
    if (event.kind == APPLY) {
        apply(world, event);
        return;
    }
    if (event.life != relay->life || event.request != relay->request)
        return;
    if (event.kind == TIMEOUT) {
        event.status = LEASE_PUT_UNKNOWN;
        event.last.kind = LEASE_LAST_UNAVAILABLE;
    }
    take_answer(world, relay, &event);
}

/* --- the world --- */

static void check(struct world *world)
{
    unsigned working = 0;

    for (unsigned i = 0; i < world->relays; i++) {
        struct relay *relay = &world->relay[i];

        assert_true(lease_is_consistent(&relay->lease));
        if (!lease_may_work(&relay->lease, local(world, relay)))
            continue;
        working++;
        world->worker = relay->life;
    }
    assert_true(working <= 1 || world->now < world->unsure_until);
}

static unsigned working(const struct world *world)
{
    unsigned count = 0;

    for (unsigned i = 0; i < world->relays; i++)
        count += lease_may_work(&world->relay[i].lease, local(world, &world->relay[i]));
    return count;
}

/* When something concerns a frozen relay, it does so when that one is awake again. */
static uint64_t due(const struct world *world, const struct event *event)
{
    const struct relay *relay = &world->relay[event->relay];
    bool to_relay = event->kind == ANSWER || event->kind == TIMEOUT;

    return to_relay && relay->frozen_until > event->at ? relay->frozen_until : event->at;
}

static uint64_t tick_due(const struct relay *relay)
{
    return relay->tick != UINT64_MAX && relay->frozen_until > relay->tick ? relay->frozen_until : relay->tick;
}

/* The next thing that happens, at the latest `until`. False: nothing does until then. */
static bool step(struct world *world, uint64_t until)
{
    unsigned best = EVENTS_MAX, relay = RELAYS_MAX;
    uint64_t at = until;

    for (unsigned i = 0; i < world->relays; i++)
        if (tick_due(&world->relay[i]) < at) {
            at = tick_due(&world->relay[i]);
            relay = i;
        }
    for (unsigned i = 0; i < world->events_count; i++) {
        uint64_t time = due(world, &world->events[i]);
        if (time < at ||
            (time == at && best < EVENTS_MAX && world->events[i].order < world->events[best].order)) {
            at = time;
            best = i;
        }
    }
    world->now = at > world->now ? at : world->now;
    if (best < EVENTS_MAX) {
        struct event event = world->events[best];
        world->events[best] = world->events[--world->events_count];
        handle(world, event);
    } else if (relay < RELAYS_MAX) {
        drive(world, &world->relay[relay]);
    } else {
        return false;
    }
    check(world);
    return true;
}

/* The store goes back to an earlier record of the same holder. That is beyond what the lease promises
 * (lease.h): two may work for a moment, but it comes right by itself. */
static void forget(struct world *world)
{
    unsigned keep = world->stored_count > 3 ? world->stored_count - (unsigned)roll(world, 3) : 0;

    if (!keep || strcmp(world->stored[keep - 1].record.instance, last_record(world)->record.instance) != 0)
        return;
    for (unsigned i = 0; i < world->events_count;)
        if (world->events[i].kind == APPLY)
            world->events[i] = world->events[--world->events_count];
        else
            i++;
    world->stored_count = keep;
    world->unsure_until = world->now + 2 * world->ttl;
    world->proposed_seq = world->stored[keep - 1].seq;
}

static void disturb(struct world *world)
{
    struct relay *relay = &world->relay[roll(world, world->relays)];

    switch (roll(world, world->forgets ? 5 : 4)) {
    case 0:
        if (world->now >= relay->frozen_until)
            be_born(world, relay); /* killed, and started again */
        break;
    case 1:
        relay->frozen_until = world->now + roll(world, 4 * world->ttl);
        break;
    case 2:
        world->down_until = world->now + roll(world, 3 * world->ttl);
        break;
    case 3:
        if (world->now >= relay->frozen_until && !relay->lease.releasing) {
            lease_release(&relay->lease, local(world, relay));
            drive(world, relay);
        }
        break;
    default:
        forget(world);
    }
    check(world);
}

static void begin(struct world *world, uint64_t seed)
{
    static const uint64_t ttls[] = {500, 1000, 3000};

    memset(world, 0, sizeof *world);
    world->seed = seed;
    world->ttl = ttls[roll(world, 3)];
    world->round = lease_settle_ms(world->ttl) * 3 / 4;
    world->tight = seed % 2;
    world->forgets = seed % 3 == 0;
    world->trouble = (unsigned)roll(world, 30);
    world->relays = 2 + (unsigned)roll(world, RELAYS_MAX - 1);
    for (unsigned i = 0; i < world->relays; i++) {
        world->relay[i].offset = roll(world, 1000000);
        world->relay[i].drift = (int64_t)roll(world, 11) - 5;
        be_born(world, &world->relay[i]);
    }
}

static void run(uint64_t seed)
{
    static struct world world;

    begin(&world, seed);
    for (unsigned i = 0; i < 20; i++) {
        uint64_t until = world.now + roll(&world, 2 * world.ttl);
        while (step(&world, until))
            continue;
        disturb(&world);
    }
    world.calm = true;
    world.down_until = 0;
    for (unsigned i = 0; i < world.relays; i++)
        world.relay[i].frozen_until = 0;
    uint64_t end = world.now + 4 * world.ttl; /* what is on its way arrives within two of them */
    while (step(&world, end))
        continue;
    assert_int_equal(working(&world), 1);
    world.changes = 0;
    end += 5 * world.ttl;
    while (step(&world, end))
        continue;
    assert_int_equal(working(&world), 1);
    assert_int_equal(world.changes, 0);
}

static void at_most_one_relay_works(void **state)
{
    (void)state;
    seeded_runs(SEEDS, run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_most_one_relay_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
