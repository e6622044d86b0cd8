/* One chat on several nodes over a bus that delays, and in half of the runs loses and repeats, what they say;
 * nodes die, leave with a word, and come back as others. Seeded and in virtual time. In the end every node
 * knows what is true, and has told its clients just that; where nothing was lost, nobody is told that a user
 * has left who was away for less than the leave delay. ROOMCAST_SEED=<n> runs one seed only. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <string.h>

#include "presence_test.h"
#include "seeded.h"

#define NODES      5
#define USERS      6
#define SEEDS      1500
#define TICK_MS    10
#define STEPS      1500
#define QUIET      600
#define DELAY_MS   3000
#define DEAD_MS    300 /* until the others know */
#define LATENCY_MS 50
#define LATER_MS   1000 /* what nodes may differ by, as core/presence says */
#define SETTLE_MS  250
#define DIGEST_MS  400
#define MESSAGES   8192
#define HISTORY    512 /* ticks; more than the leave delay */

struct message {
    unsigned from, to;
    char node[16];
    uint64_t due_ms;
    enum { CHANGE, QUERY, SNAPSHOT, DIGEST, DEATH, GOODBYE } kind;
    unsigned user;
    bool on;
    uint64_t previous, version, counter;
    bool listed[USERS];
    uint64_t left_ms[USERS]; /* 0: is not leaving */
};

struct node {
    struct presence *presence; /* NULL: is not there */
    char name[16];
    unsigned incarnation, local[USERS];
    uint64_t version, counter, settle_at_ms, digest_at_ms;
    bool shown[USERS]; /* what its clients know */
};

static struct {
    uint64_t seed, now_ms;
    bool is_lossy, is_forgetting;
    struct node nodes[NODES];
    char gone[NODES][64][16]; /* names that each has heard the end of */
    unsigned gone_count[NODES];
    bool was_online[HISTORY][USERS]; /* by ticks */
    uint64_t last_due_ms[NODES][NODES];
    struct message messages[MESSAGES];
    unsigned messages_count;
} world;

static unsigned below(unsigned bound)
{
    return (unsigned)seeded_below(&world.seed, bound);
}

static struct room_key user_key(unsigned number)
{
    char name[] = {'u', (char)('0' + number), '\0'};
    struct room_key key;
    assert_int_equal(room_key_for_user(slice_of(name), &key), ERR_OK);
    return key;
}

static unsigned user_of(const struct room_key *key)
{
    return (unsigned)(room_key_name(key).data[1] - '0');
}

/* --- what is true --- */

static bool is_somewhere(unsigned user)
{
    for (unsigned n = 0; n < NODES; n++) {
        if (world.nodes[n].local[user] > 0)
            return true;
    }
    return false;
}

static void note_truth(void)
{
    for (unsigned user = 0; user < USERS; user++)
        world.was_online[world.now_ms / TICK_MS % HISTORY][user] |= is_somewhere(user);
}

static void begin_tick(void)
{
    world.now_ms += TICK_MS;
    memset(world.was_online[world.now_ms / TICK_MS % HISTORY], 0, sizeof world.was_online[0]);
    note_truth();
}

/* For as long as the leave delay, but for what a node hears late. */
static bool was_away(unsigned user)
{
    for (uint64_t ago_ms = LATENCY_MS + TICK_MS; ago_ms < DELAY_MS - LATER_MS; ago_ms += TICK_MS) {
        if (world.was_online[(world.now_ms - ago_ms) / TICK_MS % HISTORY][user])
            return false;
    }
    return true;
}

/* --- what the clients are told --- */

static void show(void *context, const struct room_key *key, bool online)
{
    struct node *node = context;
    unsigned user = user_of(key);
    if (node->settle_at_ms != 0)
        return; /* they ask when it has settled */
    assert_int_equal(node->shown[user], !online);
    node->shown[user] = online;
    assert_true(online || world.is_lossy || world.is_forgetting || was_away(user));
}

static void show_at_first(void *context, const struct room_key *key, bool online)
{
    struct node *node = context;
    node->shown[user_of(key)] = online;
}

/* --- the bus --- */

static void post(unsigned from, unsigned to, struct message message, uint64_t after_ms)
{
    bool may_fail = world.is_lossy && message.kind != DEATH && message.kind != GOODBYE;
    unsigned copies = may_fail && below(10) == 0 ? below(2) * 2 : 1;
    for (unsigned i = 0; i < copies; i++) {
        uint64_t due_ms = world.now_ms + after_ms + below(LATENCY_MS);
        uint64_t *last_ms = &world.last_due_ms[from][to];
        assert_true(world.messages_count < MESSAGES);
        message.from = from;
        message.to = to;
        message.due_ms = *last_ms = due_ms > *last_ms ? due_ms : *last_ms;
        memcpy(message.node, world.nodes[from].name, sizeof message.node);
        world.messages[world.messages_count++] = message;
    }
}

static void broadcast(unsigned from, struct message message)
{
    for (unsigned to = 0; to < NODES; to++) {
        if (to != from)
            post(from, to, message, 0);
    }
}

static void list_user(void *context, const struct room_key *key, bool online)
{
    struct message *message = context;
    (void)online;
    message->listed[user_of(key)] = true;
}

static void list_leaving(void *context, const struct room_key *key, uint64_t leave_at_ms)
{
    struct message *message = context;
    message->left_ms[user_of(key)] = leave_at_ms > world.now_ms ? leave_at_ms - world.now_ms : 1;
}

static void say_what_is_here(unsigned n)
{
    struct node *node = &world.nodes[n];
    struct message message = {.kind = SNAPSHOT, .version = node->version};
    presence_each(node->presence, true, list_user, &message);
    presence_each_leaving(node->presence, list_leaving, &message);
    broadcast(n, message);
}

/* --- a node hears --- */

static bool has_heard_the_end_of(unsigned n, const char *name)
{
    for (unsigned i = 0; i < world.gone_count[n]; i++) {
        if (strcmp(world.gone[n][i], name) == 0)
            return true;
    }
    return false;
}

static void hear_change(struct node *node, const struct message *message)
{
    struct room_key key = user_key(message->user);
    struct presence_word word = {.node = slice_of(message->node),
                                 .user = &key,
                                 .online = message->on,
                                 .previous = message->previous,
                                 .version = message->version};
    struct presence_change change;
    assert_int_equal(presence_remote(node->presence, &word, world.now_ms, &change), ERR_OK);
    if (change.global)
        show(node, &key, change.online);
    if (change.missed)
        post(message->to, message->from, (struct message){.kind = QUERY}, 0);
}

static void hear_snapshot(struct node *node, const struct message *message)
{
    struct room_key users[USERS];
    size_t count = 0;
    for (unsigned user = 0; user < USERS; user++) {
        if (message->listed[user])
            users[count++] = user_key(user);
    }
    struct presence_page page = {.node = slice_of(message->node),
                                 .version = message->version,
                                 .page = 1,
                                 .pages = 1,
                                 .users = users,
                                 .count = count};
    assert_int_equal(presence_snapshot(node->presence, &page, world.now_ms, show, node), ERR_OK);
    for (unsigned user = 0; user < USERS; user++) {
        struct room_key key = user_key(user);
        uint64_t leave_at_ms = world.now_ms + message->left_ms[user];
        if (message->left_ms[user] != 0)
            assert_int_equal(presence_is_leaving(node->presence, &key, leave_at_ms), ERR_OK);
    }
}

static void hear_digest(struct node *node, const struct message *message)
{
    struct slice name = slice_of(message->node);
    uint64_t heard = presence_heard(node->presence, name);
    if (message->version > presence_version(node->presence, name))
        post(message->to, message->from, (struct message){.kind = QUERY}, 0);
    else if (message->version == 0 && heard != 0 && heard <= message->counter)
        presence_forget(node->presence, name, false, world.now_ms, show, node);
}

static void hear_end(struct node *node, const struct message *message)
{
    unsigned n = message->to;
    assert_true(world.gone_count[n] < 64);
    memcpy(world.gone[n][world.gone_count[n]++], message->node, sizeof message->node);
    world.is_forgetting = message->kind == DEATH;
    if (node->presence)
        presence_forget(node->presence, slice_of(message->node), message->kind == DEATH, world.now_ms, show,
                        node);
    world.is_forgetting = false;
}

static void hear(const struct message *message)
{
    struct node *node = &world.nodes[message->to];
    if (message->kind == DEATH || message->kind == GOODBYE) {
        hear_end(node, message);
        return;
    }
    if (!node->presence || has_heard_the_end_of(message->to, message->node))
        return;
    switch (message->kind) {
    case CHANGE:
        hear_change(node, message);
        break;
    case QUERY:
        say_what_is_here(message->to);
        break;
    case SNAPSHOT:
        hear_snapshot(node, message);
        break;
    default:
        hear_digest(node, message);
        break;
    }
}

static void deliver(void)
{
    unsigned kept = 0, count = world.messages_count;
    for (unsigned i = 0; i < world.messages_count; i++) {
        struct message message = world.messages[i];
        if (i < count && message.due_ms <= world.now_ms)
            hear(&message);
        else
            world.messages[kept++] = message;
    }
    world.messages_count = kept;
}

/* --- what happens --- */

static void come_up(unsigned n)
{
    struct node *node = &world.nodes[n];
    unsigned incarnation = node->incarnation + 1;
    *node = (struct node){.incarnation = incarnation};
    snprintf(node->name, sizeof node->name, "node-%u.%u", n, incarnation);
    node->settle_at_ms = world.now_ms + SETTLE_MS;
    node->digest_at_ms = world.now_ms + 1 + below(DIGEST_MS);
    assert_int_equal(presence_new(DELAY_MS, &node->presence), ERR_OK);
    broadcast(n, (struct message){.kind = QUERY});
}

static void go_down(unsigned n, bool dies)
{
    struct node *node = &world.nodes[n];
    if (!dies)
        broadcast(n, (struct message){.kind = SNAPSHOT});
    for (unsigned to = 0; to < NODES; to++) {
        if (to != n)
            post(n, to, (struct message){.kind = dies ? DEATH : GOODBYE}, dies ? DEAD_MS : 0);
    }
    presence_free(&node->presence);
    memset(node->local, 0, sizeof node->local);
}

static void apply(unsigned n, unsigned user, const struct presence_change *change)
{
    struct node *node = &world.nodes[n];
    struct room_key key = user_key(user);
    if (change->local) {
        struct message message = {.kind = CHANGE,
                                  .user = user,
                                  .on = change->online,
                                  .previous = node->version,
                                  .version = ++node->counter};
        node->version = presence_local_count(node->presence) > 0 ? message.version : 0;
        broadcast(n, message);
    }
    if (change->global)
        show(node, &key, change->online);
}

static void join(unsigned n, unsigned user)
{
    struct presence_change change;
    struct room_key key = user_key(user);
    assert_int_equal(presence_join(world.nodes[n].presence, &key, &change), ERR_OK);
    world.nodes[n].local[user]++;
    note_truth();
    apply(n, user, &change);
}

static void part(unsigned n, unsigned user)
{
    struct presence_change change;
    struct room_key key = user_key(user);
    presence_leave(world.nodes[n].presence, &key, world.now_ms, &change);
    world.nodes[n].local[user]--;
    note_truth();
    apply(n, user, &change);
}

static void something_happens(void)
{
    unsigned n = below(NODES), user = below(USERS), what = below(200);
    struct node *node = &world.nodes[n];
    if (!node->presence) {
        if (what < 10 && world.gone_count[(n + 1) % NODES] < 60)
            come_up(n);
    } else if (what < 20) {
        join(n, user);
    } else if (what < 60 && node->local[user] > 0) {
        part(n, user);
    } else if (what >= 198) {
        go_down(n, what == 199);
    }
    note_truth();
}

static void pass_time(void)
{
    begin_tick();
    deliver();
    for (unsigned n = 0; n < NODES; n++) {
        struct node *node = &world.nodes[n];
        if (!node->presence)
            continue;
        if (node->settle_at_ms != 0 && world.now_ms >= node->settle_at_ms) {
            presence_settle(node->presence, show, node);
            node->settle_at_ms = 0;
            presence_each(node->presence, false, show_at_first, node);
        }
        presence_run(node->presence, world.now_ms, show, node);
        if (world.now_ms >= node->digest_at_ms) {
            node->digest_at_ms = world.now_ms + DIGEST_MS;
            broadcast(n,
                      (struct message){.kind = DIGEST, .version = node->version, .counter = node->counter});
        }
    }
}

static void check_all(void)
{
    for (unsigned n = 0; n < NODES; n++) {
        struct node *node = &world.nodes[n];
        struct message listed = {.kind = SNAPSHOT};
        if (!node->presence)
            continue;
        presence_each(node->presence, false, list_user, &listed);
        for (unsigned user = 0; user < USERS; user++) {
            assert_int_equal(listed.listed[user], is_somewhere(user));
            assert_int_equal(node->shown[user], is_somewhere(user));
        }
        assert_int_equal(presence_leaving_count(node->presence), 0);
    }
}

static void run(uint64_t seed)
{
    memset(&world, 0, sizeof world);
    world.seed = seed;
    world.is_lossy = seed % 2 == 0;
    world.now_ms = 10000;
    for (unsigned n = 0; n < NODES; n++)
        come_up(n);
    note_truth();
    for (unsigned step = 0; step < STEPS; step++) {
        pass_time();
        something_happens();
    }
    world.is_lossy = false;
    world.is_forgetting = true; /* what was lost before may still come out */
    for (unsigned step = 0; step < QUIET; step++)
        pass_time();
    check_all();
    for (unsigned n = 0; n < NODES; n++)
        presence_free(&world.nodes[n].presence);
}

static void every_node_knows_and_tells_what_is_true_and_nobody_who_is_soon_back_has_left(void **state)
{
    (void)state;
    seeded_runs(SEEDS, run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_node_knows_and_tells_what_is_true_and_nobody_who_is_soon_back_has_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
