/* What may happen while timers fire, and time that jumps. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <string.h>

#include <roomcast/core/timer_wheel.h>

#include "seeded.h"

enum { TICK = 10, REVOLUTION = TICK * TIMER_WHEEL_SLOTS }; /* ms */

struct alarm {
    struct wheel_timer timer; /* first: the wheel hands out this pointer */
    unsigned fired;
    uint64_t fired_at;
    /* what fire() does besides counting */
    uint64_t again_after;  /* ms; 0: nothing */
    uint64_t again_at;     /* absolute; 0: nothing */
    struct alarm *cancels; /* NULL: none */
    struct alarm *moves;   /* to moves_to; NULL: none */
    uint64_t moves_to;
};

struct stage {
    struct timer_wheel wheel;
    uint64_t now;
};

static void fire(void *context, struct wheel_timer *timer)
{
    struct stage *stage = context;
    struct alarm *alarm = (struct alarm *)timer;

    assert_false(wheel_timer_is_set(timer));
    alarm->fired++;
    alarm->fired_at = stage->now;
    if (alarm->again_after)
        timer_wheel_set(&stage->wheel, timer, stage->now + alarm->again_after);
    if (alarm->again_at)
        timer_wheel_set(&stage->wheel, timer, alarm->again_at);
    if (alarm->cancels)
        timer_wheel_cancel(&stage->wheel, &alarm->cancels->timer);
    if (alarm->moves)
        timer_wheel_set(&stage->wheel, &alarm->moves->timer, alarm->moves_to);
}

static void begin(struct stage *stage, uint64_t now)
{
    stage->now = now;
    timer_wheel_init(&stage->wheel, TICK, now);
}

static void set(struct stage *stage, struct alarm *alarm, uint64_t due)
{
    timer_wheel_set(&stage->wheel, &alarm->timer, due);
}

static void go_to(struct stage *stage, uint64_t now)
{
    stage->now = now;
    timer_wheel_advance(&stage->wheel, now, fire, stage);
}

static void walk_to(struct stage *stage, uint64_t until, uint64_t step)
{
    while (stage->now < until)
        go_to(stage, stage->now + step < until ? stage->now + step : until);
}

static void deadlines_are_met_never_early_and_at_most_one_tick_late(void **state)
{
    (void)state;
    struct stage stage;
    struct alarm alarms[300];

    memset(alarms, 0, sizeof alarms);
    begin(&stage, 1003);
    for (unsigned i = 0; i < 300; i++)
        set(&stage, &alarms[i], 1003 + i);
    walk_to(&stage, 1003 + 300 + TICK, 1);
    for (unsigned i = 0; i < 300; i++) {
        assert_int_equal(alarms[i].fired, 1);
        assert_in_range(alarms[i].fired_at, 1003 + i, 1003 + i + TICK);
    }
    assert_int_equal(stage.wheel.count, 0);
}

static void deadlines_beyond_one_revolution_wait_for_theirs(void **state)
{
    (void)state;
    struct stage stage;
    struct alarm near = {0}, second = {0}, fourth = {0}, never = {0};

    begin(&stage, 0);
    set(&stage, &near, 500); /* all in one slot */
    set(&stage, &second, 500 + REVOLUTION);
    set(&stage, &fourth, 500 + 3 * REVOLUTION);
    set(&stage, &never, UINT64_MAX);
    walk_to(&stage, 5 * REVOLUTION, TICK);
    assert_int_equal(near.fired, 1);
    assert_int_equal(near.fired_at, 500);
    assert_int_equal(second.fired, 1);
    assert_int_equal(second.fired_at, 500 + REVOLUTION);
    assert_int_equal(fourth.fired, 1);
    assert_int_equal(fourth.fired_at, 500 + 3 * REVOLUTION);
    assert_int_equal(never.fired, 0);
    assert_int_equal(stage.wheel.count, 1);
}

static void set_again_moves_the_deadline(void **state)
{
    (void)state;
    struct stage stage;
    struct alarm later = {0}, sooner = {0};

    begin(&stage, 0);
    set(&stage, &later, 100);
    set(&stage, &later, 900);
    set(&stage, &sooner, 900);
    set(&stage, &sooner, 100);
    assert_int_equal(stage.wheel.count, 2);
    walk_to(&stage, 1000, TICK);
    assert_int_equal(later.fired, 1);
    assert_int_equal(later.fired_at, 900);
    assert_int_equal(sooner.fired, 1);
    assert_int_equal(sooner.fired_at, 100);
}

static void timer_set_again_as_it_fires_keeps_its_period(void **state)
{
    (void)state;
    struct stage stage;
    struct alarm alarm = {.again_after = 5 * TICK};

    begin(&stage, 0);
    set(&stage, &alarm, 5 * TICK);
    walk_to(&stage, 2 * REVOLUTION, TICK);
    assert_int_equal(alarm.fired, 2 * TIMER_WHEEL_SLOTS / 5);
    assert_true(wheel_timer_is_set(&alarm.timer));
    assert_int_equal(stage.wheel.count, 1);
}

static void timer_set_again_to_the_past_fires_once_per_tick_not_for_ever(void **state)
{
    (void)state;
    /* The jumps are the ones at which the slot after the last is visited first, or not, or is the last. */
    for (uint64_t ticks = TIMER_WHEEL_SLOTS - 2; ticks <= TIMER_WHEEL_SLOTS + 2; ticks++) {
        struct stage stage;
        struct alarm first = {.again_at = 1}, last = {.again_at = 1};
        begin(&stage, 0);
        set(&stage, &first, TICK);
        set(&stage, &last, ticks * TICK);
        go_to(&stage, ticks * TICK);
        assert_int_equal(first.fired, 1);
        assert_int_equal(last.fired, 1);
        go_to(&stage, stage.now + TICK);
        assert_int_equal(first.fired, 2);
        assert_int_equal(last.fired, 2);
        assert_int_equal(stage.wheel.count, 2);
    }
}

static void timer_set_one_revolution_ahead_as_it_fires_waits_for_it(void **state)
{
    (void)state;
    struct stage stage;
    struct alarm alarm = {.again_after = REVOLUTION};

    begin(&stage, 0);
    set(&stage, &alarm, 70);
    walk_to(&stage, REVOLUTION + 60, TICK);
    assert_int_equal(alarm.fired, 1);
    walk_to(&stage, REVOLUTION + 70, TICK);
    assert_int_equal(alarm.fired, 2);
}

static void timer_cancelled_as_its_neighbour_fires_does_not_fire(void **state)
{
    (void)state;
    struct stage stage;
    struct alarm last = {0}, victim = {0}, self = {0}, killer = {.cancels = &victim};

    self.cancels = &self;
    begin(&stage, 0);
    set(&stage, &killer, 100); /* the next of the list goes, which is where the walk would step to */
    set(&stage, &victim, 100);
    set(&stage, &self, 100);
    set(&stage, &last, 100);
    go_to(&stage, 100);
    assert_int_equal(killer.fired, 1);
    assert_int_equal(victim.fired, 0);
    assert_false(wheel_timer_is_set(&victim.timer));
    assert_int_equal(self.fired, 1);
    assert_int_equal(last.fired, 1);
    assert_int_equal(stage.wheel.count, 0);
}

static void timer_of_a_later_slot_can_be_cancelled_in_the_same_jump(void **state)
{
    (void)state;
    struct stage stage;
    struct alarm victim = {0}, killer = {.cancels = &victim};

    begin(&stage, 0);
    set(&stage, &killer, 100);
    set(&stage, &victim, 900);
    go_to(&stage, 1000);
    assert_int_equal(killer.fired, 1);
    assert_int_equal(victim.fired, 0);
    assert_int_equal(stage.wheel.count, 0);
}

static void timer_moved_away_as_its_neighbour_fires_waits_for_the_new_time(void **state)
{
    (void)state;
    struct stage stage;
    struct alarm moved = {0}, mover = {.moves = &moved, .moves_to = 300};

    begin(&stage, 0);
    set(&stage, &mover, 100);
    set(&stage, &moved, 100);
    go_to(&stage, 100);
    assert_int_equal(moved.fired, 0);
    walk_to(&stage, 290, TICK);
    assert_int_equal(moved.fired, 0);
    go_to(&stage, 300);
    assert_int_equal(moved.fired, 1);
}

static void large_jump_fires_all_that_is_due_once_and_nothing_else(void **state)
{
    (void)state;
    static const uint64_t jumps[] = {TIMER_WHEEL_SLOTS - 1, TIMER_WHEEL_SLOTS, TIMER_WHEEL_SLOTS + 1,
                                     7 * TIMER_WHEEL_SLOTS + 3, UINT64_C(1) << 50};
    enum { ALARMS = 2000 };
    static struct alarm alarms[ALARMS];

    for (size_t j = 0; j < sizeof jumps / sizeof jumps[0]; j++) {
        struct stage stage;
        uint64_t target = 1000 + jumps[j] * TICK;
        unsigned due = 0;
        memset(alarms, 0, sizeof alarms);
        begin(&stage, 1000);
        for (unsigned i = 0; i < ALARMS; i++) {
            uint64_t at = i % 2 ? 1000 + i * 37 : target + 1 + i * 13;
            due += at <= target;
            set(&stage, &alarms[i], at);
        }
        go_to(&stage, target);
        for (unsigned i = 0; i < ALARMS; i++)
            assert_int_equal(alarms[i].fired, alarms[i].timer.due_ms <= target);
        assert_int_equal(stage.wheel.count, ALARMS - due);
        walk_to(&stage, target + ALARMS * 50, TICK);
        for (unsigned i = 0; i < ALARMS; i++)
            assert_int_equal(alarms[i].fired, 1);
    }
}

static void time_that_stands_still_or_goes_back_fires_nothing(void **state)
{
    (void)state;
    struct stage stage;
    struct alarm alarm = {0};

    begin(&stage, 5000);
    set(&stage, &alarm, 5100);
    go_to(&stage, 5090);
    go_to(&stage, 5090);
    go_to(&stage, 100);
    assert_int_equal(alarm.fired, 0);
    go_to(&stage, 5100);
    assert_int_equal(alarm.fired, 1);
}

/* --- against a model that looks at every timer at every step --- */

enum { TIMERS = 150 };

struct model {
    struct timer_wheel wheel;
    struct wheel_timer timers[TIMERS];
    struct {
        bool set;
        bool fresh;        /* set since this advance began: not its business */
        uint64_t due_tick; /* rounded up, and not before the tick after the one in which it was set */
    } expected[TIMERS];
    uint64_t seed, now, tick; /* `tick`: that of the advance under way, or of the last */
    unsigned set_count;
};

static void random_set(struct model *model, size_t i)
{
    static const uint64_t spans[] = {1, TICK, 20 * TICK, REVOLUTION, 5 * REVOLUTION};
    uint64_t span = spans[seeded_below(&model->seed, sizeof spans / sizeof spans[0])];
    uint64_t due = model->now + seeded_below(&model->seed, span);

    if (seeded_below(&model->seed, 8) == 0)
        due = seeded_below(&model->seed, model->now + 1);
    timer_wheel_set(&model->wheel, &model->timers[i], due);
    model->set_count += !model->expected[i].set;
    model->expected[i].set = model->expected[i].fresh = true;
    model->expected[i].due_tick = (due + TICK - 1) / TICK;
    if (model->expected[i].due_tick <= model->tick)
        model->expected[i].due_tick = model->tick + 1;
}

static void random_cancel(struct model *model, size_t i)
{
    timer_wheel_cancel(&model->wheel, &model->timers[i]);
    model->set_count -= model->expected[i].set;
    model->expected[i].set = false;
}

static void random_step(struct model *model)
{
    size_t i = seeded_below(&model->seed, TIMERS);

    if (seeded_below(&model->seed, 3) == 0)
        random_cancel(model, i);
    else
        random_set(model, i);
}

static void fire_in_model(void *context, struct wheel_timer *timer)
{
    struct model *model = context;
    size_t i = (size_t)(timer - model->timers);

    assert_false(wheel_timer_is_set(timer));
    assert_true(model->expected[i].set);
    assert_false(model->expected[i].fresh);
    assert_true(model->expected[i].due_tick <= model->tick);
    assert_true(timer->due_ms <= model->now);
    model->expected[i].set = false;
    model->set_count--;
    for (uint64_t more = seeded_below(&model->seed, 4); more > 0; more--)
        random_step(model);
}

static void advance_model(struct model *model)
{
    static const uint64_t jumps[] = {TICK, 3 * TICK, 30 * TICK, REVOLUTION + 2 * TICK, 4 * REVOLUTION};
    size_t kind = seeded_below(&model->seed, 40);

    model->now += seeded_below(&model->seed, jumps[kind < 5 ? kind : kind % 2]);
    model->tick = model->now / TICK;
    for (size_t i = 0; i < TIMERS; i++)
        model->expected[i].fresh = false;
    timer_wheel_advance(&model->wheel, model->now, fire_in_model, model);
    for (size_t i = 0; i < TIMERS; i++) {
        assert_int_equal(wheel_timer_is_set(&model->timers[i]), model->expected[i].set);
        if (model->expected[i].set)
            assert_true(model->expected[i].due_tick > model->tick);
    }
    assert_int_equal(model->wheel.count, model->set_count);
}

static void wheel_agrees_with_a_naive_model(void **state)
{
    (void)state;
    static struct model model;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        memset(&model, 0, sizeof model);
        model.seed = seed;
        model.now = seeded_below(&model.seed, 100000);
        model.tick = model.now / TICK;
        timer_wheel_init(&model.wheel, TICK, model.now);
        for (int step = 0; step < 3000; step++) {
            for (uint64_t more = seeded_below(&model.seed, 5); more > 0; more--)
                random_step(&model);
            advance_model(&model);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deadlines_are_met_never_early_and_at_most_one_tick_late),
        cmocka_unit_test(deadlines_beyond_one_revolution_wait_for_theirs),
        cmocka_unit_test(set_again_moves_the_deadline),
        cmocka_unit_test(timer_set_again_as_it_fires_keeps_its_period),
        cmocka_unit_test(timer_set_again_to_the_past_fires_once_per_tick_not_for_ever),
        cmocka_unit_test(timer_set_one_revolution_ahead_as_it_fires_waits_for_it),
        cmocka_unit_test(timer_cancelled_as_its_neighbour_fires_does_not_fire),
        cmocka_unit_test(timer_of_a_later_slot_can_be_cancelled_in_the_same_jump),
        cmocka_unit_test(timer_moved_away_as_its_neighbour_fires_waits_for_the_new_time),
        cmocka_unit_test(large_jump_fires_all_that_is_due_once_and_nothing_else),
        cmocka_unit_test(time_that_stands_still_or_goes_back_fires_nothing),
        cmocka_unit_test(wheel_agrees_with_a_naive_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
