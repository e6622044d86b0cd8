#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdio.h>

#include <roomcast/core/rebalance.h>

#define INTERVAL 5000u
#define OTHERS   4

/* This node, and others that beat in time and say what they hold. */
static uint64_t now;
static struct membership membership;
static struct rebalance rebalance;
static struct rebalance_self self;
static struct {
    uint64_t connections;
    enum heartbeat_kind kind;
    enum heartbeat_state state;
    uint64_t shed_total;
    bool is_there, is_silent;
} others[OTHERS];
static uint64_t beats;
static struct rebalance_step last;
static enum rebalance_event last_event; /* that was one */

static void begin_with(uint64_t threshold, uint64_t per_minute, uint64_t quiet_ms)
{
    struct rebalance_rules rules = {.threshold = threshold, .per_minute = per_minute, .quiet_ms = quiet_ms};

    membership_fini(&membership);
    now = 1000000;
    beats = 0;
    self = (struct rebalance_self){.serving = true};
    last_event = REBALANCE_NOTHING;
    for (size_t i = 0; i < OTHERS; i++) {
        others[i].connections = others[i].shed_total = 0;
        others[i].kind = HEARTBEAT_OF_NODE;
        others[i].state = HEARTBEAT_SERVING;
        others[i].is_there = others[i].is_silent = false;
    }
    membership_init(&membership, "me", INTERVAL, now);
    rebalance_init(&rebalance, &rules);
}

static int begin(void **state)
{
    (void)state;
    begin_with(1200, 1200, 15000);
    return 0;
}

static int end(void **state)
{
    (void)state;
    membership_fini(&membership);
    return 0;
}

static void beat(const char *instance, enum heartbeat_kind kind, enum heartbeat_state of_state,
                 uint64_t connections, uint64_t shed_total)
{
    struct heartbeat heartbeat = {.kind = kind,
                                  .state = of_state,
                                  .number = beats,
                                  .interval_ms = INTERVAL,
                                  .connections = connections,
                                  .shed_total = shed_total};

    snprintf(heartbeat.instance, sizeof heartbeat.instance, "%s", instance);
    membership_hear(&membership, &heartbeat, now);
}

static void beat_all(void)
{
    char name[16];

    beats++;
    beat("me", HEARTBEAT_OF_NODE, HEARTBEAT_SERVING, self.connections, self.shed_total);
    for (size_t i = 0; i < OTHERS; i++) {
        snprintf(name, sizeof name, "other-%zu", i);
        if (others[i].is_there && !others[i].is_silent)
            beat(name, others[i].kind, others[i].state, others[i].connections, others[i].shed_total);
    }
}

static void ignore(void *context, const struct member *member)
{
    (void)context;
    (void)member;
}

/* One second in which whom it closes goes to `taker`; NOWHERE: back to this node. Returns how many. */
#define BACK_HERE (-1)
static uint64_t second(int taker)
{
    now += 1000;
    if (now % INTERVAL == 0)
        beat_all();
    membership_expire(&membership, now, ignore, NULL);
    last = rebalance_run(&rebalance, &membership, &self, now);
    if (last.event != REBALANCE_NOTHING)
        last_event = last.event;
    assert_true(last.count <= self.connections);
    self.shed_total += last.count;
    if (taker != BACK_HERE) {
        self.connections -= last.count;
        others[taker].connections += last.count;
    }
    return last.count;
}

static uint64_t seconds(unsigned count, int taker)
{
    uint64_t closed = 0;

    while (count-- > 0)
        closed += second(taker);
    return closed;
}

static void until_a_beat(int taker)
{
    do
        second(taker);
    while (now % INTERVAL != 0);
}

static void others_are(uint64_t first, uint64_t second_one)
{
    others[0].is_there = others[1].is_there = true;
    others[0].connections = first;
    others[1].connections = second_one;
}

static void a_node_that_holds_too_much_gives_away_what_is_above_the_mean(void **state)
{
    (void)state;
    others_are(300, 0);
    self.connections = 600;
    assert_int_equal(seconds(19, 1), 0); /* not known to be quiet yet */
    uint64_t closed = seconds(60, 1);
    assert_int_equal(last_event, REBALANCE_DONE);
    assert_in_range(self.connections, 300, 308);
    assert_int_equal(closed, 600 - self.connections);
    assert_int_equal(seconds(600, 1), 0);
}

static void nothing_begins_below_the_threshold(void **state)
{
    (void)state;
    others_are(400, 320);
    self.connections = 480; /* 1.2 times 400 */
    assert_int_equal(seconds(600, 1), 0);
    self.connections = 483;
    assert_true(seconds(60, 1) > 0);
}

static void what_has_begun_goes_on_below_the_threshold(void **state)
{
    (void)state;
    others_are(380, 300);
    self.connections = 520;
    seconds(120, 1);
    assert_int_equal(last_event, REBALANCE_DONE);
    assert_in_range(self.connections, 400, 410);
}

static void a_handful_too_many_is_no_imbalance(void **state)
{
    (void)state;
    others_are(5, 0);
    self.connections = 16; /* the mean is 7 */
    assert_true(seconds(60, 1) > 0);
    begin_with(1200, 1200, 15000);
    others_are(5, 0);
    self.connections = 14; /* 6 and a third; 7 and two thirds too many */
    assert_int_equal(seconds(600, 1), 0);
}

static void no_more_are_closed_than_the_rate_allows(void **state)
{
    (void)state;
    others_are(0, 0);
    self.connections = 30000;
    seconds(25, 1);
    uint64_t closed = 0;
    for (int i = 0; i < 600; i++) {
        assert_true(second(1) <= 20);
        closed += last.count;
    }
    assert_in_range(closed, 600 * 20 * 9 / 10, 600 * 20); /* it looks now and then whether it helps */
    begin_with(1200, 10, 15000);
    others_are(0, 0);
    self.connections = 30000;
    seconds(60, 1);
    assert_in_range(seconds(600, 1), 99, 101);
}

static void time_that_was_lost_is_not_made_up_for(void **state)
{
    (void)state;
    others_are(0, 0);
    self.connections = 30000;
    seconds(30, 1);
    now += 4000; /* held up */
    assert_int_equal(second(1), 20);
}

static void the_last_ones_go_slowly(void **state)
{
    (void)state;
    others_are(400, 300);
    self.connections = 500;
    while (rebalance.target == 0 || self.connections * 1000 > rebalance.target) {
        uint64_t above = self.connections, closed = second(1);
        assert_true(now < 1100000);
        above -= rebalance.target / 1000;
        assert_true(closed <= above / 4 + 1);
    }
}

static void it_closes_at_most_once_a_second(void **state)
{
    (void)state;
    others_are(0, 0);
    self.connections = 30000;
    seconds(30, 1);
    now += 500;
    assert_int_equal(rebalance_run(&rebalance, &membership, &self, now).count, 0);
    now += 500;
    assert_int_equal(rebalance_run(&rebalance, &membership, &self, now).count, 20);
}

static void who_is_alone_or_not_serving_sheds_nothing(void **state)
{
    (void)state;
    self.connections = 600;
    assert_int_equal(seconds(100, 1), 0);
    others_are(0, 0);
    self.serving = false;
    assert_int_equal(seconds(100, 1), 0);
    self.serving = true;
    assert_true(seconds(10, 1) > 0);
}

static void a_rate_of_nothing_turns_it_off(void **state)
{
    (void)state;
    begin_with(1200, 0, 15000);
    others_are(0, 0);
    self.connections = 600;
    assert_int_equal(seconds(100, 1), 0);
}

static void a_node_that_comes_goes_or_drains_stops_it_until_it_is_quiet(void **state)
{
    (void)state;
    others_are(0, 0);
    self.connections = 30000;
    seconds(30, 1);
    assert_true(rebalance.shedding);
    others[1].state = HEARTBEAT_DRAINING;
    until_a_beat(1);
    assert_false(rebalance.shedding);
    assert_int_equal(last_event, REBALANCE_INTERRUPTED);
    last_event = REBALANCE_NOTHING;
    assert_int_equal(seconds(30, 1), 0);
    assert_int_equal(last_event, REBALANCE_NOTHING); /* once */
    others[1].state = HEARTBEAT_LEAVING;
    until_a_beat(1);
    others[1].is_there = false;
    assert_int_equal(seconds(14, 0), 0);
    assert_true(second(0) > 0);
    others[2].is_there = true;
    until_a_beat(0);
    assert_int_equal(seconds(14, 0), 0);
    assert_true(second(0) > 0);
    others[2].is_silent = true; /* it dies: found out after three beats, quiet three beats after that */
    seconds(15, 0);
    assert_int_equal(seconds(15, 0), 0);
    assert_true(second(0) > 0);
}

static void a_longer_quiet_time_can_be_asked_for(void **state)
{
    (void)state;
    begin_with(1200, 1200, 60000);
    others_are(0, 0);
    self.connections = 30000;
    assert_int_equal(seconds(60, 1), 0);
    assert_true(seconds(10, 1) > 0);
}

static void it_waits_for_a_beat_that_is_overdue(void **state)
{
    (void)state;
    others_are(0, 0);
    self.connections = 30000;
    seconds(30, 1);
    others[0].is_silent = true;
    assert_true(seconds(10, 1) > 0);
    assert_int_equal(seconds(4, 1), 0);
    assert_true(rebalance.shedding);
    others[0].is_silent = false;
    assert_true(seconds(5, 1) > 0);
}

static void clients_on_their_way_are_not_missed(void **state)
{
    (void)state;
    others_are(300, 0);
    self.connections = 600;
    for (int i = 0; i < 100; i++) {
        second(1);
        if (rebalance.mean > 0)
            assert_in_range(rebalance.mean, 299000, 350000); /* 300, and what was counted twice */
    }
}

static void nor_are_those_that_others_have_just_closed(void **state)
{
    (void)state;
    others_are(300, 300);
    self.connections = 300;
    seconds(30, 1);
    assert_int_equal(rebalance.mean, 300000);
    others[0].connections = 270;
    others[0].shed_total = 30;
    until_a_beat(1);
    assert_int_equal(rebalance.mean, 300000);
    until_a_beat(1); /* they are connected somewhere by now */
    assert_int_equal(rebalance.mean, 290000);
}

static void odd_ones_are_left_where_they_are(void **state)
{
    (void)state;
    others_are(6, 6);
    self.connections = 30;
    seconds(120, 1);
    assert_int_equal(last_event, REBALANCE_DONE);
    assert_in_range(self.connections, 14, 16);
    assert_int_equal(seconds(600, 1), 0);
}

static void relays_take_no_clients(void **state)
{
    (void)state;
    others_are(500, 0);
    others[1].kind = HEARTBEAT_OF_RELAY;
    self.connections = 600;
    assert_int_equal(seconds(100, 1), 0);
}

/* Returns after how many seconds it gave up. */
static unsigned until_it_gives_up(uint64_t *ret_closed)
{
    unsigned waited = 0;

    *ret_closed = 0;
    do {
        *ret_closed += second(BACK_HERE);
        assert_true(waited++ < 3000);
    } while (last.event != REBALANCE_FUTILE);
    return waited;
}

static void it_gives_up_when_all_come_back_and_tries_ever_more_rarely(void **state)
{
    (void)state;
    uint64_t closed;

    others_are(0, 0);
    self.connections = 3000;
    until_it_gives_up(&closed);
    assert_int_equal(closed, 100);
    for (unsigned minutes = 1; minutes <= 32; minutes *= 2) {
        assert_in_range(until_it_gives_up(&closed), 60 * minutes, 60 * minutes + 15);
        assert_int_equal(closed, 100);
    }
    assert_in_range(until_it_gives_up(&closed), 60 * 32, 60 * 32 + 15);
}

static void another_node_is_another_chance(void **state)
{
    (void)state;
    uint64_t closed;

    others_are(0, 0);
    self.connections = 3000;
    for (int i = 0; i < 4; i++)
        until_it_gives_up(&closed);
    others[2].is_there = true;
    seconds(20, 2);
    assert_true(seconds(10, 2) > 0);
}

static void a_few_that_come_back_do_not_make_it_give_up(void **state)
{
    (void)state;
    others_are(1000, 0);
    self.connections = 3000;
    for (int i = 0; i < 1200 && last_event != REBALANCE_DONE; i++) {
        second(1);
        if (i % 3 == 0) { /* of 60 or fewer, 40 come back */
            uint64_t back = last.count * 2;
            back = back > others[1].connections ? others[1].connections : back;
            self.connections += back;
            others[1].connections -= back;
        }
        assert_int_not_equal(last.event, REBALANCE_FUTILE);
    }
    assert_int_equal(last_event, REBALANCE_DONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_node_that_holds_too_much_gives_away_what_is_above_the_mean),
        TEST(nothing_begins_below_the_threshold),
        TEST(what_has_begun_goes_on_below_the_threshold),
        TEST(a_handful_too_many_is_no_imbalance),
        TEST(no_more_are_closed_than_the_rate_allows),
        TEST(time_that_was_lost_is_not_made_up_for),
        TEST(the_last_ones_go_slowly),
        TEST(it_closes_at_most_once_a_second),
        TEST(who_is_alone_or_not_serving_sheds_nothing),
        TEST(a_rate_of_nothing_turns_it_off),
        TEST(a_node_that_comes_goes_or_drains_stops_it_until_it_is_quiet),
        TEST(a_longer_quiet_time_can_be_asked_for),
        TEST(it_waits_for_a_beat_that_is_overdue),
        TEST(clients_on_their_way_are_not_missed),
        TEST(nor_are_those_that_others_have_just_closed),
        TEST(odd_ones_are_left_where_they_are),
        TEST(relays_take_no_clients),
        TEST(it_gives_up_when_all_come_back_and_tries_ever_more_rarely),
        TEST(another_node_is_another_chance),
        TEST(a_few_that_come_back_do_not_make_it_give_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
