/* What waits for the hub, and for its workers, is bounded. */
#include "hub_fixture.h"

#include "held_hub.h"

static int release_and_stop(void **state)
{
    release_hub();
    return stop(state);
}

static void typing_is_dropped_and_counted_while_too_many_requests_wait_and_nothing_else_is(void **state)
{
    (void)state;
    join(0, 1, "anna");
    int64_t dropped = metrics_get(METRIC_TYPING_DROPPED), limited = metrics_get(METRIC_TYPING_LIMITED);
    hold_hub(world.hub);
    for (uint32_t i = 0; i <= HUB_BUSY_REQUESTS; i++)
        ask(HUB_TYPING, 0, 1, "anna", true);
    assert_int_equal(metrics_get(METRIC_TYPING_DROPPED), dropped);
    for (int i = 0; i < 3; i++)
        ask(HUB_TYPING, 0, 1, "anna", true);
    assert_int_equal(metrics_get(METRIC_TYPING_DROPPED), dropped + 3);
    ask(HUB_POSITION, 0, 1, "anna", false);
    assert_int_equal(inbox_count(&world.hub->requests), HUB_BUSY_REQUESTS + 2);
    release_hub();

    struct hub_request *answer = next_answer(0);
    assert_int_equal(answer->status, ERR_OK);
    hub_request_free(&answer);
    /* Once they are worked on it passes again: the first was published, all others are too soon after it. */
    ask(HUB_TYPING, 0, 1, "anna", true);
    ask(HUB_POSITION, 0, 1, "anna", false);
    answer = next_answer(0);
    hub_request_free(&answer);
    assert_int_equal(metrics_get(METRIC_TYPING_DROPPED), dropped + 3);
    assert_int_equal(metrics_get(METRIC_TYPING_LIMITED), limited + HUB_BUSY_REQUESTS + 1);
}

/* --- replays on their way to a worker --- */

/* No signal goes to the workers beside what is looked at. */
static void join_without_presence(unsigned worker, unsigned room, const char *name)
{
    world.config.presence_max_members = 0;
    join(worker, room, name);
}

static struct hub_request *resume(enum hub_request_kind kind, unsigned worker, unsigned room, uint64_t since)
{
    struct room_key room_key = chat(room), user_key = user("anna");
    struct hub_request *request = hub_request_new(kind, worker, &room_key, &user_key);
    assert_non_null(request);
    request->waiter.has_since = true;
    request->waiter.since = (struct position){.epoch = "e1", .seq = since};
    hub_ask(world.hub, request);
    return next_answer(worker);
}

static size_t waiting(unsigned worker)
{
    return atomic_load(&world.workers[worker].outlet.bytes);
}

static void a_replay_counts_in_what_waits_for_each_worker_once(void **state)
{
    (void)state;
    for (uint64_t seq = 1; seq <= 40; seq++)
        publish(2, seq);
    join_without_presence(0, 2, "anna");
    join_without_presence(1, 2, "anna");
    assert_int_equal(waiting(0), 0);
    struct hub_request *first = resume(HUB_POSITION, 0, 2, 5), *shares = resume(HUB_POSITION, 0, 2, 38),
                       *elsewhere = resume(HUB_POSITION, 1, 2, 20);
    size_t bytes = first->replay->bytes;
    assert_ptr_equal(shares->replay, first->replay);
    assert_ptr_equal(elsewhere->replay, first->replay);
    assert_true(bytes > 35 * 50);
    assert_int_equal(waiting(0), bytes);
    assert_int_equal(waiting(1), bytes);
    hub_request_free(&elsewhere);
    hub_request_free(&shares);
    hub_request_free(&first);

    /* Another one is made after the next event, and counts for itself. */
    publish(2, 41);
    expect_event(0, 41, true);
    size_t before = waiting(0);
    first = resume(HUB_POSITION, 0, 2, 5);
    shares = resume(HUB_POSITION, 0, 2, 5);
    assert_int_equal(waiting(0), before + first->replay->bytes);
    hub_request_free(&shares);
    hub_request_free(&first);
}

static void a_list_of_users_counts_in_what_waits_for_a_worker(void **state)
{
    (void)state;
    join_without_presence(0, 2, "anna");
    ask(HUB_PRESENCE, 0, 2, "anna", false);
    struct hub_request *answer = next_answer(0);
    assert_true(answer->text_len > 0);
    assert_int_equal(waiting(0), answer->text_len);
    hub_request_free(&answer);
}

static void events_are_left_out_when_replays_fill_what_may_wait_for_a_worker(void **state)
{
    (void)state;
    for (uint64_t seq = 1; seq <= 40; seq++)
        publish(2, seq);
    join_without_presence(0, 2, "anna");
    atomic_store(&world.workers[0].outlet.bytes, HUB_OUTLET_BYTES - 100);
    struct hub_request *answer = resume(HUB_POSITION, 0, 2, 5);
    hub_request_free(&answer);
    publish(2, 41);
    expect_event(0, 41, false);
}

static void a_worker_for_which_too_much_waits_is_given_no_replay(void **state)
{
    (void)state;
    for (uint64_t seq = 1; seq <= 40; seq++)
        publish(2, seq);
    join_without_presence(0, 2, "anna");
    atomic_store(&world.workers[0].outlet.bytes, HUB_OUTLET_BYTES + 1);
    struct hub_request *answer = resume(HUB_POSITION, 0, 2, 5);
    assert_int_equal(answer->status, ERR_OK);
    assert_true(answer->is_recovered && !answer->is_all); /* it is served page by page */
    assert_null(answer->replay);
    hub_request_free(&answer);
    answer = resume(HUB_CATCH_UP, 0, 2, 5);
    assert_int_equal(answer->status, ERR_BUSY); /* and asks for the first one again */
    assert_null(answer->replay);
    hub_request_free(&answer);
    assert_int_equal(waiting(0), HUB_OUTLET_BYTES + 1);

    atomic_store(&world.workers[0].outlet.bytes, 0);
    answer = resume(HUB_CATCH_UP, 0, 2, 5);
    assert_int_equal(answer->status, ERR_OK);
    assert_int_equal(answer->replay->count - answer->replay_at, 35);
    hub_request_free(&answer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, release_and_stop)

int main(void)
{
    if (random_init() != ERR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        TEST(typing_is_dropped_and_counted_while_too_many_requests_wait_and_nothing_else_is),
        TEST(a_replay_counts_in_what_waits_for_each_worker_once),
        TEST(a_list_of_users_counts_in_what_waits_for_a_worker),
        TEST(events_are_left_out_when_replays_fill_what_may_wait_for_a_worker),
        TEST(a_worker_for_which_too_much_waits_is_given_no_replay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
