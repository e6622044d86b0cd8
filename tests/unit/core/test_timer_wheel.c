#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <roomcast/core/timer_wheel.h>

#define TICK   50
#define TIMERS 200

struct fired {
    struct wheel_timer *timers[TIMERS];
    unsigned count;
};

static void note(void *context, struct wheel_timer *timer)
{
    struct fired *fired = context;
    fired->timers[fired->count++ % TIMERS] = timer;
}

static void a_timer_fires_once_late_by_at_most_a_tick(void **state)
{
    (void)state;
    struct timer_wheel wheel;
    struct wheel_timer timer = {0};
    struct fired fired = {.count = 0};
    timer_wheel_init(&wheel, TICK, 1000);
    timer_wheel_set(&wheel, &timer, 1120);
    timer_wheel_advance(&wheel, 1119, note, &fired);
    assert_int_equal(fired.count, 0);
    timer_wheel_advance(&wheel, 1170, note, &fired);
    assert_int_equal(fired.count, 1);
    assert_false(wheel_timer_is_set(&timer));
    timer_wheel_advance(&wheel, 100000, note, &fired);
    assert_int_equal(fired.count, 1);
}

static void a_timer_beyond_one_revolution_waits_for_its_own(void **state)
{
    (void)state;
    struct timer_wheel wheel;
    struct wheel_timer timer = {0};
    struct fired fired = {.count = 0};
    uint64_t due_ms = 1000 + 3ull * TICK * TIMER_WHEEL_SLOTS + 7;
    timer_wheel_init(&wheel, TICK, 1000);
    timer_wheel_set(&wheel, &timer, due_ms);
    for (uint64_t now_ms = 1000; now_ms < due_ms; now_ms += TICK)
        timer_wheel_advance(&wheel, now_ms, note, &fired);
    assert_int_equal(fired.count, 0);
    timer_wheel_advance(&wheel, due_ms + TICK, note, &fired);
    assert_int_equal(fired.count, 1);
}

static void a_time_in_the_past_is_due_at_the_next_advance(void **state)
{
    (void)state;
    struct timer_wheel wheel;
    struct wheel_timer timer = {0};
    struct fired fired = {.count = 0};
    timer_wheel_init(&wheel, TICK, 100000);
    timer_wheel_set(&wheel, &timer, 5);
    timer_wheel_advance(&wheel, 100000 + TICK, note, &fired);
    assert_int_equal(fired.count, 1);
}

static void a_long_pause_fires_everything_that_was_due(void **state)
{
    (void)state;
    struct timer_wheel wheel;
    struct wheel_timer timers[TIMERS] = {{0}};
    struct fired fired = {.count = 0};
    timer_wheel_init(&wheel, TICK, 0);
    for (unsigned i = 0; i < TIMERS; i++)
        timer_wheel_set(&wheel, &timers[i], i * 777);
    timer_wheel_advance(&wheel, 10000000, note, &fired);
    assert_int_equal(fired.count, TIMERS);
    assert_int_equal(wheel.count, 0);
}

static void a_cancelled_timer_does_not_fire(void **state)
{
    (void)state;
    struct timer_wheel wheel;
    struct wheel_timer timer = {0};
    struct fired fired = {.count = 0};
    timer_wheel_init(&wheel, TICK, 0);
    timer_wheel_set(&wheel, &timer, 100);
    timer_wheel_cancel(&wheel, &timer);
    timer_wheel_cancel(&wheel, &timer);
    timer_wheel_advance(&wheel, 1000, note, &fired);
    assert_int_equal(fired.count, 0);
}

/* Two timers of one slot: the first to fire cancels the other and sets itself again. */
static struct {
    struct timer_wheel wheel;
    struct wheel_timer pair[2];
    unsigned count;
} meddling;

static void meddle(void *context, struct wheel_timer *timer)
{
    (void)context;
    struct wheel_timer *other = timer == &meddling.pair[0] ? &meddling.pair[1] : &meddling.pair[0];
    timer_wheel_cancel(&meddling.wheel, other);
    timer_wheel_set(&meddling.wheel, timer, timer->due_ms);
    meddling.count++;
}

static void a_callback_may_cancel_and_set_timers_of_its_own_slot(void **state)
{
    (void)state;
    timer_wheel_init(&meddling.wheel, TICK, 0);
    timer_wheel_set(&meddling.wheel, &meddling.pair[0], 100);
    timer_wheel_set(&meddling.wheel, &meddling.pair[1], 100);
    timer_wheel_advance(&meddling.wheel, 100, meddle, NULL);
    assert_int_equal(meddling.count, 1);
    timer_wheel_advance(&meddling.wheel, 100 + TICK, meddle, NULL);
    assert_int_equal(meddling.count, 2);
    assert_int_equal(meddling.wheel.count, 1);
}

static void random_timers_fire_as_a_plain_list_says(void **state)
{
    (void)state;
    struct timer_wheel wheel;
    struct wheel_timer timers[TIMERS] = {{0}};
    uint64_t due_ms[TIMERS] = {0}, now_ms = 0; /* 0: not set */
    timer_wheel_init(&wheel, TICK, now_ms);
    srand(3);
    for (int step = 0; step < 5000; step++) {
        unsigned i = (unsigned)rand() % TIMERS;
        if (rand() % 4) {
            due_ms[i] = now_ms + 1 + (uint64_t)(rand() % 60000);
            timer_wheel_set(&wheel, &timers[i], due_ms[i]);
        } else {
            due_ms[i] = 0;
            timer_wheel_cancel(&wheel, &timers[i]);
        }
        now_ms += (uint64_t)(rand() % 300);
        struct fired fired = {.count = 0};
        timer_wheel_advance(&wheel, now_ms, note, &fired);
        for (unsigned f = 0; f < fired.count; f++) {
            size_t which = (size_t)(fired.timers[f] - timers);
            assert_true(due_ms[which] != 0 && due_ms[which] <= now_ms);
            due_ms[which] = 0;
        }
        for (unsigned t = 0; t < TIMERS; t++)
            assert_true(due_ms[t] == 0 || due_ms[t] + TICK > now_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timer_fires_once_late_by_at_most_a_tick),
        cmocka_unit_test(a_timer_beyond_one_revolution_waits_for_its_own),
        cmocka_unit_test(a_time_in_the_past_is_due_at_the_next_advance),
        cmocka_unit_test(a_long_pause_fires_everything_that_was_due),
        cmocka_unit_test(a_cancelled_timer_does_not_fire),
        cmocka_unit_test(a_callback_may_cancel_and_set_timers_of_its_own_slot),
        cmocka_unit_test(random_timers_fire_as_a_plain_list_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
