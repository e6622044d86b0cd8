/* Who goes when clients are sent away: in a drain, to another node, or for want of memory. */
#include <string.h>

#include <roomcast/base/metrics.h>
#include <roomcast/io/ws_server.h>

#include "worker_fixture.h"

#define OPEN_S 5
#define ROOM   1

static const struct position at_10 = {.epoch = "a", .seq = 10};
static int connection; /* of everybody: nothing is written within these tests */

static int stop_connected(void **state)
{
    for (struct client *client = world.worker->clients; client; client = client->next) {
        client_end_catch_ups(client);
        timer_wheel_cancel(&world.worker->wheel, &client->session.timer);
        client->session.requests = 0;
    }
    return stop(state);
}

static struct client *connected(struct client *client)
{
    struct room_key user;
    assert_int_equal(room_key_for_user(SLICE_LITERAL("ada"), &user), ERR_OK);
    client->session.claims.user = room_key_store(&user);
    assert_non_null(client->session.claims.user);
    client->session.connection = &connection;
    client->opened_s = (uint32_t)(world.worker->now_ms / 1000);
    atomic_fetch_add(&world.worker->staying, 1);
    return client;
}

/* Connected long ago; the first of them has said nothing for longest. */
static void settle(struct client **clients, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        clients[i] = connected(client_of_nobody());
    world.worker->now_ms += OPEN_S * 1000;
}

static bool is_sent_away(const struct client *client)
{
    return client->session.state == SESSION_CLOSING && client->session.close_reason == CLOSE_DRAINING;
}

static uint32_t send_settled(uint32_t count)
{
    return worker_send_settled_away(world.worker, count, CLOSE_DRAINING, OPEN_S);
}

static void who_has_said_nothing_for_longest_goes_first(void **state)
{
    (void)state;
    struct client *clients[4];
    settle(clients, 4);
    client_note_said(world.worker, clients[0]);
    assert_int_equal(send_settled(2), 2);
    assert_true(is_sent_away(clients[1]) && is_sent_away(clients[2]));
    assert_int_equal(send_settled(1), 1);
    assert_true(is_sent_away(clients[3]) && !is_sent_away(clients[0]));
    assert_int_equal(send_settled(10), 1);
    assert_true(is_sent_away(clients[0]));
    assert_int_equal(worker_staying(world.worker), 0);
}

static void who_would_lose_by_it_is_passed_over(void **state)
{
    (void)state;
    struct client *clients[5];
    struct room_key room = chat(ROOM);
    settle(clients, 4);
    clients[4] = connected(client_of_nobody()); /* has just come */
    assert_int_equal(rooms_join(world.worker->rooms, &room, &clients[0]->session.rooms), ERR_OK);
    assert_true(client_fall_behind(world.worker, clients[0], &room, &at_10, 0));
    clients[1]->session.requests = 1;
    clients[2]->session.is_blocked = true;
    assert_int_equal(send_settled(5), 1);
    assert_true(is_sent_away(clients[3]));
    assert_int_equal(worker_send_anybody_away(world.worker, 3, CLOSE_DRAINING), 3);
    assert_true(is_sent_away(clients[0]) && is_sent_away(clients[1]) && is_sent_away(clients[2]));
    assert_false(is_sent_away(clients[4]));
}

static void who_has_no_connection_is_not_touched(void **state)
{
    (void)state;
    struct client *opening = client_of_nobody();
    world.worker->now_ms += OPEN_S * 1000;
    assert_int_equal(send_settled(1), 0);
    assert_int_equal(worker_send_anybody_away(world.worker, 1, CLOSE_DRAINING), 0);
    assert_int_equal(opening->session.state, SESSION_OPEN);
}

static void a_search_for_settled_clients_is_bounded(void **state)
{
    (void)state;
    struct client *clients[300];
    settle(clients, 300);
    for (unsigned i = 0; i < 256; i++)
        clients[i]->session.is_blocked = true;
    assert_int_equal(send_settled(1), 0);
    clients[255]->session.is_blocked = false;
    assert_int_equal(send_settled(1), 1);
    assert_true(is_sent_away(clients[255]));
}

static void a_drain_keeps_its_pace_and_takes_who_is_settled_first(void **state)
{
    (void)state;
    struct client *clients[10];
    const struct worker_order order = {.kind = ORDER_DRAIN, .reason = CLOSE_DRAINING, .spread_ms = 1000};
    settle(clients, 10);
    clients[0]->session.is_blocked = true;
    assert_int_equal(worker_give_order(world.worker, &order), ERR_OK);
    worker_take_orders(world.worker);
    assert_int_equal(worker_staying(world.worker), 10);
    for (unsigned tenths = 1; tenths < 10; tenths++) {
        world.worker->now_ms += 100;
        worker_drain_on(world.worker);
        assert_int_equal(worker_staying(world.worker), 10 - tenths);
        assert_true(is_sent_away(clients[tenths]));
    }
    assert_false(is_sent_away(clients[0]));
    world.worker->now_ms += 100;
    worker_drain_on(world.worker);
    assert_true(is_sent_away(clients[0]));
}

static void a_drain_without_a_spread_closes_everybody_at_once(void **state)
{
    (void)state;
    struct client *clients[3];
    const struct worker_order order = {.kind = ORDER_DRAIN, .reason = CLOSE_DRAINING};
    settle(clients, 2);
    clients[2] = connected(client_of_nobody());
    assert_int_equal(worker_give_order(world.worker, &order), ERR_OK);
    worker_take_orders(world.worker);
    assert_int_equal(worker_staying(world.worker), 0);
    assert_true(is_sent_away(clients[2]));
}

static void give(enum worker_order_kind kind, enum close_reason reason)
{
    const struct worker_order order = {.kind = kind, .reason = reason, .spread_ms = 1000};
    assert_int_equal(worker_give_order(world.worker, &order), ERR_OK);
    worker_take_orders(world.worker);
}

static void let_pass(unsigned ms)
{
    world.worker->now_ms += ms;
    worker_drain_on(world.worker);
}

static void an_isolation_that_is_over_sends_nobody_away_any_more(void **state)
{
    (void)state;
    struct client *clients[10];
    settle(clients, 10);
    give(ORDER_DRAIN, CLOSE_ISOLATED);
    let_pass(300);
    assert_int_equal(worker_staying(world.worker), 7);
    assert_int_equal(clients[0]->session.close_reason, CLOSE_ISOLATED);
    give(ORDER_STOP_DRAIN, CLOSE_ISOLATED);
    let_pass(1000);
    assert_int_equal(worker_staying(world.worker), 7);
}

static void shed(uint32_t count)
{
    const struct worker_order order = {.kind = ORDER_SHED, .reason = CLOSE_REBALANCE, .count = count};
    assert_int_equal(worker_give_order(world.worker, &order), ERR_OK);
    worker_take_orders(world.worker);
}

static uint64_t rebalanced(void)
{
    return atomic_load(&world.worker->shared->rebalanced);
}

static void rebalancing_takes_silent_clients_and_none_that_has_just_come(void **state)
{
    (void)state;
    struct client *clients[5];
    uint64_t before = rebalanced();
    settle(clients, 4);
    shed(4);
    assert_int_equal(rebalanced() - before, 0); /* they may have been sent here */
    world.worker->now_ms += 10000;
    clients[4] = connected(client_of_nobody());
    client_note_said(world.worker, clients[0]);
    shed(2);
    assert_int_equal(clients[1]->session.close_reason, CLOSE_REBALANCE);
    assert_int_equal(clients[2]->session.state, SESSION_CLOSING);
    shed(10);
    assert_int_equal(rebalanced() - before, 4);
    assert_int_equal(worker_staying(world.worker), 1);
    assert_int_equal(clients[4]->session.state, SESSION_OPEN);
}

static void who_drains_rebalances_nothing(void **state)
{
    (void)state;
    struct client *clients[10];
    settle(clients, 10);
    world.worker->now_ms += 10000;
    give(ORDER_DRAIN, CLOSE_DRAINING);
    shed(10);
    assert_int_equal(worker_staying(world.worker), 10);
}

static void the_end_of_the_node_has_the_last_word(void **state)
{
    (void)state;
    struct client *clients[10];
    settle(clients, 10);
    give(ORDER_DRAIN, CLOSE_ISOLATED);
    give(ORDER_DRAIN, CLOSE_DRAINING);
    let_pass(500);
    give(ORDER_DRAIN, CLOSE_ISOLATED);
    give(ORDER_STOP_DRAIN, CLOSE_ISOLATED);
    let_pass(500);
    assert_int_equal(worker_staying(world.worker), 0);
    for (unsigned i = 0; i < 10; i++)
        assert_true(is_sent_away(clients[i]));
}

/* --- for want of memory --- */

/* What is written to them waits for the kernel. */
static void block(struct client *client, size_t bytes)
{
    char *text = calloc(1, bytes);
    assert_non_null(text);
    struct frame *frame = frame_new(FRAME_TEXT, (struct slice){text, bytes});
    assert_non_null(frame);
    client->session.is_blocked = true;
    client_send_frame(world.worker, client, frame);
    frame_unref(&frame);
    free(text);
}

static bool is_closed_as_slow(const struct client *client)
{
    return client->session.state == SESSION_CLOSING && client->session.close_reason == CLOSE_SLOW_CONSUMER;
}

static void relieve(uint64_t bytes)
{
    const struct worker_order order = {.kind = ORDER_RELIEVE, .bytes = bytes};
    assert_int_equal(worker_give_order(world.worker, &order), ERR_OK);
    worker_take_orders(world.worker);
}

static void who_has_most_in_its_queue_is_closed_first_when_memory_is_short(void **state)
{
    (void)state;
    static const size_t kib[] = {40, 200, 17, 300, 100, 250};
    struct client *clients[6];
    int64_t closed = metrics_get(METRIC_MEMORY_SHED_CONNECTIONS);
    settle(clients, 6);
    for (unsigned i = 0; i < 6; i++)
        block(clients[i], kib[i] * 1024);
    relieve(301 * 1024); /* the largest alone holds a little more than 300 KiB */
    assert_int_equal(worker_staying(world.worker), 4);
    assert_true(is_closed_as_slow(clients[3]) && is_closed_as_slow(clients[5]));
    relieve(1);
    assert_int_equal(worker_staying(world.worker), 3);
    assert_true(is_closed_as_slow(clients[1]));
    relieve(0);
    assert_int_equal(worker_staying(world.worker), 3);
    relieve(UINT64_MAX);
    assert_int_equal(worker_staying(world.worker), 0);
    assert_int_equal(metrics_get(METRIC_MEMORY_SHED_CONNECTIONS) - closed, 6);
}

static void who_is_closed_for_want_of_memory_holds_nothing_but_the_last_word(void **state)
{
    (void)state;
    struct client *client;
    settle(&client, 1);
    block(client, 512 * 1024);
    relieve(1);
    assert_true(client->session.queue.bytes < 1024);
    assert_int_equal(client->session.queue.count, 1);
}

static void who_takes_in_what_it_is_sent_stays_however_short_memory_is(void **state)
{
    (void)state;
    struct client *clients[3];
    settle(clients, 3);
    block(clients[0], 512 * 1024);
    clients[0]->session.is_blocked = false; /* its turn has not come */
    block(clients[1], 8 * 1024);            /* for a moment */
    clients[2]->session.is_blocked = true;  /* likewise */
    relieve(UINT64_MAX);
    assert_int_equal(worker_staying(world.worker), 3);
}

static void one_order_closes_so_many_and_no_more(void **state)
{
    (void)state;
    struct client *clients[WORKER_RELIEF_MAX + 10];
    settle(clients, WORKER_RELIEF_MAX + 10);
    for (unsigned i = 0; i < WORKER_RELIEF_MAX + 10; i++)
        block(clients[i], 20 * 1024 - i); /* the smallest are come upon first */
    relieve(UINT64_MAX);
    assert_int_equal(worker_staying(world.worker), 10);
    for (unsigned i = 0; i < WORKER_RELIEF_MAX + 10; i++)
        assert_int_equal(is_closed_as_slow(clients[i]), i < WORKER_RELIEF_MAX);
}

static void what_waits_in_the_queues_is_known_to_others(void **state)
{
    (void)state;
    struct client *client;
    settle(&client, 1);
    assert_int_equal(worker_queued_bytes(world.worker), 0);
    block(client, 100 * 1024);
    worker_flush(world.worker);
    assert_in_range(worker_queued_bytes(world.worker), 100 * 1024, 101 * 1024);
    relieve(1);
    worker_flush(world.worker);
    assert_true(worker_queued_bytes(world.worker) < 1024);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop_connected)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_has_said_nothing_for_longest_goes_first),
        TEST(who_would_lose_by_it_is_passed_over),
        TEST(who_has_no_connection_is_not_touched),
        TEST(a_search_for_settled_clients_is_bounded),
        TEST(a_drain_keeps_its_pace_and_takes_who_is_settled_first),
        TEST(a_drain_without_a_spread_closes_everybody_at_once),
        TEST(an_isolation_that_is_over_sends_nobody_away_any_more),
        TEST(rebalancing_takes_silent_clients_and_none_that_has_just_come),
        TEST(who_drains_rebalances_nothing),
        TEST(the_end_of_the_node_has_the_last_word),
        TEST(who_has_most_in_its_queue_is_closed_first_when_memory_is_short),
        TEST(who_is_closed_for_want_of_memory_holds_nothing_but_the_last_word),
        TEST(who_takes_in_what_it_is_sent_stays_however_short_memory_is),
        TEST(one_order_closes_so_many_and_no_more),
        TEST(what_waits_in_the_queues_is_known_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
