#include <roomcast/io/loop.h>

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <roomcast/base/clock.h>

struct fixture {
    struct loop *loop;
    struct loop_timer *timer;
    struct loop_wake *wake;
    char order[64]; /* one letter per callback */
    unsigned count;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    assert_int_equal(loop_new(&fixture->loop), ERR_OK);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    loop_free(&fixture->loop);
    assert_null(fixture->loop);
    free(fixture);
    return 0;
}

static void note(struct fixture *fixture, char letter)
{
    if (fixture->count < sizeof fixture->order - 1)
        fixture->order[fixture->count] = letter;
    fixture->count++;
}

static void note_a(void *context)
{
    note(context, 'a');
}

static void note_b(void *context)
{
    note(context, 'b');
}

static void note_t(void *context)
{
    note(context, 't');
}

static void stop(void *context)
{
    struct fixture *fixture = context;
    loop_stop(fixture->loop);
}

static void note_and_stop(void *context)
{
    note(context, 's');
    stop(context);
}

static void a_timer_fires_once(void **state)
{
    struct fixture *fixture = *state;
    struct loop_timer *last;
    assert_int_equal(loop_timer_new(fixture->loop, note_t, fixture, &fixture->timer), ERR_OK);
    assert_int_equal(loop_timer_new(fixture->loop, stop, fixture, &last), ERR_OK);
    loop_timer_start(fixture->timer, 1, 0);
    loop_timer_start(last, 30, 0);
    loop_run(fixture->loop);
    assert_string_equal(fixture->order, "t");
}

static void third_time(void *context)
{
    struct fixture *fixture = context;
    note(fixture, 't');
    if (fixture->count == 3)
        loop_stop(fixture->loop);
}

static void a_timer_repeats_until_stopped(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(loop_timer_new(fixture->loop, third_time, fixture, &fixture->timer), ERR_OK);
    loop_timer_start(fixture->timer, 0, 1);
    uint64_t before_ms = loop_now_ms(fixture->loop);
    loop_run(fixture->loop);
    assert_int_equal(fixture->count, 3);
    assert_true(loop_now_ms(fixture->loop) > before_ms);
    loop_timer_stop(fixture->timer);
    struct loop_timer *last;
    assert_int_equal(loop_timer_new(fixture->loop, stop, fixture, &last), ERR_OK);
    loop_timer_start(last, 20, 0);
    loop_run(fixture->loop);
    assert_int_equal(fixture->count, 3);
}

static void free_own_timer(void *context)
{
    struct fixture *fixture = context;
    loop_timer_free(&fixture->timer);
    loop_stop(fixture->loop);
}

static void a_timer_may_be_freed_in_its_own_callback(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(loop_timer_new(fixture->loop, free_own_timer, fixture, &fixture->timer), ERR_OK);
    loop_timer_start(fixture->timer, 0, 1);
    loop_run(fixture->loop);
    assert_null(fixture->timer);
}

static void turn_end_hooks_run_in_order_after_the_turns_callbacks(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(loop_add_turn_end(fixture->loop, note_a, fixture), ERR_OK);
    assert_int_equal(loop_add_turn_end(fixture->loop, note_b, fixture), ERR_OK);
    assert_int_equal(loop_timer_new(fixture->loop, note_and_stop, fixture, &fixture->timer), ERR_OK);
    loop_timer_start(fixture->timer, 0, 0);
    loop_run(fixture->loop);
    assert_string_equal(fixture->order, "sab");
}

struct sender {
    struct loop_wake *wake;
    int sends;
};

static void *send_many(void *context)
{
    struct sender *sender = context;
    for (int at = 0; at < sender->sends; at++)
        loop_wake_send(sender->wake);
    return NULL;
}

static void a_wake_from_another_thread_runs_the_callback_on_the_loop(void **state)
{
    struct fixture *fixture = *state;
    struct sender sender = {.sends = 1000};
    pthread_t thread;
    assert_int_equal(loop_wake_new(fixture->loop, note_and_stop, fixture, &sender.wake), ERR_OK);
    assert_int_equal(pthread_create(&thread, NULL, send_many, &sender), 0);
    loop_run(fixture->loop);
    pthread_join(thread, NULL);
    assert_true(fixture->count >= 1 && fixture->count <= 1000);
    loop_wake_free(&sender.wake);
    assert_null(sender.wake);
}

static void a_wake_sent_before_the_loop_runs_is_not_lost(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(loop_wake_new(fixture->loop, note_and_stop, fixture, &fixture->wake), ERR_OK);
    loop_wake_send(fixture->wake);
    loop_run(fixture->loop);
    assert_string_equal(fixture->order, "s");
}

#define EXCHANGES 20000

struct exchange {
    struct loop *loop;
    struct loop_wake *wake;
    atomic_uint answers;
};

static void answer(void *context)
{
    struct exchange *exchange = context;
    if (atomic_fetch_add(&exchange->answers, 1) + 1 == EXCHANGES)
        loop_stop(exchange->loop);
}

/* Each as soon as the one before is answered: while the loop is on its way to wait. */
static void *send_one_by_one(void *context)
{
    struct exchange *exchange = context;
    for (unsigned at = 0; at < EXCHANGES; at++) {
        while (atomic_load(&exchange->answers) < at)
            ;
        loop_wake_send(exchange->wake);
    }
    return NULL;
}

static void a_wake_sent_while_the_loop_is_about_to_wait_is_not_lost(void **state)
{
    struct fixture *fixture = *state;
    struct exchange exchange = {.loop = fixture->loop};
    pthread_t thread;
    assert_int_equal(loop_wake_new(fixture->loop, answer, &exchange, &exchange.wake), ERR_OK);
    assert_int_equal(pthread_create(&thread, NULL, send_one_by_one, &exchange), 0);
    loop_run(fixture->loop);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&exchange.answers), EXCHANGES);
}

static void send_wake(void *context)
{
    struct fixture *fixture = context;
    if (fixture->count == 0)
        loop_wake_send(fixture->wake);
}

static void a_wake_sent_by_a_turn_end_hook_runs_in_the_next_turn(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(loop_wake_new(fixture->loop, note_and_stop, fixture, &fixture->wake), ERR_OK);
    assert_int_equal(loop_add_turn_end(fixture->loop, send_wake, fixture), ERR_OK);
    loop_run(fixture->loop);
    assert_string_equal(fixture->order, "s");
}

static void a_signal_arrives_as_a_callback(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(loop_on_signal(fixture->loop, SIGUSR1, note_and_stop, fixture), ERR_OK);
    assert_int_equal(raise(SIGUSR1), 0);
    loop_run(fixture->loop);
    assert_string_equal(fixture->order, "s");
}

struct watched {
    struct loop *loop;
    struct loop_timer *timer;
    unsigned turns;
    uint64_t most_ns, sum_ns;
};

static void work_for_20_ms(void *context)
{
    struct watched *watched = context;
    uint64_t until_ms = clock_monotonic_ms() + 20;
    while (clock_monotonic_ms() < until_ms)
        ;
    loop_stop(watched->loop);
}

static void note_turn(void *context, uint64_t worked_ns)
{
    struct watched *watched = context;
    watched->turns++;
    watched->sum_ns += worked_ns;
    if (worked_ns > watched->most_ns)
        watched->most_ns = worked_ns;
}

static void a_turn_is_as_long_as_the_loop_works_and_waiting_does_not_count(void **state)
{
    struct fixture *fixture = *state;
    struct watched watched = {.loop = fixture->loop};
    assert_int_equal(loop_timer_new(fixture->loop, work_for_20_ms, &watched, &watched.timer), ERR_OK);
    loop_watch_turns(fixture->loop, note_turn, &watched);
    uint64_t began_ms = clock_monotonic_ms();
    loop_timer_start(watched.timer, 200, 0);
    loop_run(fixture->loop);
    uint64_t passed_ms = clock_monotonic_ms() - began_ms;
    assert_true(watched.turns >= 2);
    assert_true(watched.most_ns >= 18u * 1000 * 1000);
    assert_true(watched.sum_ns / 1000000 + 150 <= passed_ms); /* at least so long it did nothing but wait */
    loop_timer_free(&watched.timer);
}

static void at_free_runs_once_when_the_loop_is_freed(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(loop_at_free(fixture->loop, note_a, fixture), ERR_OK);
    assert_int_equal(loop_add_turn_end(fixture->loop, note_b, fixture), ERR_OK);
    loop_free(&fixture->loop);
    assert_string_equal(fixture->order, "a"); /* and no other callback comes while it is freed */
    loop_free(&fixture->loop);
}

int main(void)
{
#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        LOOP_TEST(a_timer_fires_once),
        LOOP_TEST(a_timer_repeats_until_stopped),
        LOOP_TEST(a_timer_may_be_freed_in_its_own_callback),
        LOOP_TEST(turn_end_hooks_run_in_order_after_the_turns_callbacks),
        LOOP_TEST(a_wake_from_another_thread_runs_the_callback_on_the_loop),
        LOOP_TEST(a_wake_sent_before_the_loop_runs_is_not_lost),
        LOOP_TEST(a_wake_sent_while_the_loop_is_about_to_wait_is_not_lost),
        LOOP_TEST(a_wake_sent_by_a_turn_end_hook_runs_in_the_next_turn),
        LOOP_TEST(a_signal_arrives_as_a_callback),
        LOOP_TEST(a_turn_is_as_long_as_the_loop_works_and_waiting_does_not_count),
        LOOP_TEST(at_free_runs_once_when_the_loop_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
