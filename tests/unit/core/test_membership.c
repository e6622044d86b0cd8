#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include <roomcast/core/membership.h>

#define INTERVAL 1000u

static uint64_t now;
static struct membership membership;
static uint64_t own_number, number; /* of the last beat */
static size_t expired;
static char last_expired[HEARTBEAT_INSTANCE_MAX + 1];

static int begin(void **state)
{
    (void)state;
    now = 1000000;
    own_number = number = 0;
    expired = 0;
    membership_init(&membership, "me.1", INTERVAL, now);
    return 0;
}

static int end(void **state)
{
    (void)state;
    membership_fini(&membership);
    return 0;
}

static struct heartbeat beat_of(const char *instance, enum heartbeat_state of_state)
{
    struct heartbeat beat = {
        .kind = HEARTBEAT_OF_NODE, .state = of_state, .number = ++number, .interval_ms = INTERVAL};

    snprintf(beat.instance, sizeof beat.instance, "%s", instance);
    return beat;
}

static enum membership_change hear(const char *instance, enum heartbeat_state of_state)
{
    struct heartbeat beat = beat_of(instance, of_state);

    return membership_hear(&membership, &beat, now);
}

static void hear_own(enum heartbeat_state of_state)
{
    struct heartbeat beat = beat_of("me.1", of_state);

    beat.number = ++own_number;
    assert_int_equal(membership_hear(&membership, &beat, now), MEMBERSHIP_OWN);
}

static void on_expired(void *context, const struct member *member)
{
    (void)context;
    expired++;
    strcpy(last_expired, member->beat.instance);
}

/* Own beats come back, the time is looked at as often as a process does. */
static void pass(uint64_t ms)
{
    for (uint64_t end_ms = now + ms; now < end_ms;) {
        now += 100;
        if (now % INTERVAL == 0)
            hear_own(HEARTBEAT_SERVING);
        membership_expire(&membership, now, on_expired, NULL);
    }
}

/* Nothing comes back: cut off, or stopped. */
static void pass_in_silence(uint64_t ms)
{
    for (uint64_t end_ms = now + ms; now < end_ms;) {
        now += 100;
        membership_expire(&membership, now, on_expired, NULL);
    }
}

static void a_process_joins_with_its_first_beat_and_leaves_when_it_says_so(void **state)
{
    (void)state;
    assert_int_equal(hear("b.1", HEARTBEAT_SERVING), MEMBERSHIP_JOINED);
    assert_int_equal(membership.count, 1);
    assert_int_equal(hear("b.1", HEARTBEAT_DRAINING), MEMBERSHIP_UPDATED);
    assert_int_equal(membership.members->beat.state, HEARTBEAT_DRAINING);
    assert_int_equal(hear("b.1", HEARTBEAT_LEAVING), MEMBERSHIP_LEFT);
    assert_int_equal(membership.count, 0);
    assert_int_equal(hear("b.1", HEARTBEAT_LEAVING), MEMBERSHIP_NOTHING);
    assert_int_equal(membership.count, 0);
}

static void a_beat_that_was_overtaken_changes_nothing(void **state)
{
    (void)state;
    struct heartbeat first = beat_of("b.1", HEARTBEAT_SERVING), second = beat_of("b.1", HEARTBEAT_DRAINING);

    assert_int_equal(membership_hear(&membership, &second, now), MEMBERSHIP_JOINED);
    assert_int_equal(membership_hear(&membership, &first, now + 5), MEMBERSHIP_NOTHING);
    assert_int_equal(membership_hear(&membership, &second, now + 5), MEMBERSHIP_NOTHING);
    assert_int_equal(membership.members->beat.state, HEARTBEAT_DRAINING);
    assert_int_equal(membership.members->heard_ms, now);
}

static void the_own_beat_is_nobody_else(void **state)
{
    (void)state;
    hear_own(HEARTBEAT_SERVING);
    assert_int_equal(membership.count, 0);
    assert_int_equal(membership_nodes(&membership), 0);
}

static void who_is_silent_for_three_beats_is_gone_not_before(void **state)
{
    (void)state;
    pass(2000);
    hear("b.1", HEARTBEAT_SERVING);
    hear("c.1", HEARTBEAT_SERVING);
    pass(1000);
    hear("c.1", HEARTBEAT_SERVING);
    pass(2100);
    assert_int_equal(expired, 0);
    pass(100);
    assert_int_equal(expired, 1);
    assert_string_equal(last_expired, "b.1");
    assert_int_equal(membership.count, 1);
}

static void the_longer_interval_of_both_sides_counts(void **state)
{
    (void)state;
    struct heartbeat slow = beat_of("b.1", HEARTBEAT_SERVING);

    slow.interval_ms = 2 * INTERVAL;
    pass(2000);
    membership_hear(&membership, &slow, now);
    pass(6100);
    assert_int_equal(expired, 0);
    pass(100);
    assert_int_equal(expired, 1);
}

static void who_is_cut_off_declares_nobody_dead(void **state)
{
    (void)state;
    pass(2000);
    hear("b.1", HEARTBEAT_SERVING);
    pass(900);
    pass_in_silence(600 * INTERVAL);
    assert_int_equal(expired, 0);
    pass(1000); /* back, and it takes a beat until the others are heard */
    assert_int_equal(expired, 0);
    hear("b.1", HEARTBEAT_SERVING);
    pass(3000);
    assert_int_equal(expired, 0);
    pass(200); /* now it is really silent */
    assert_int_equal(expired, 1);
}

static void who_was_stopped_declares_nobody_dead(void **state)
{
    (void)state;
    pass(2000);
    hear("b.1", HEARTBEAT_SERVING);
    pass(900);
    now += 600 * INTERVAL; /* without a turn, and then an own beat first */
    hear_own(HEARTBEAT_SERVING);
    membership_expire(&membership, now, on_expired, NULL);
    pass(1000);
    assert_int_equal(expired, 0);
}

static void who_never_heard_itself_declares_nobody_dead(void **state)
{
    (void)state;
    hear("b.1", HEARTBEAT_SERVING);
    pass_in_silence(600 * INTERVAL);
    assert_int_equal(expired, 0);
}

static void an_old_own_beat_proves_nothing(void **state)
{
    (void)state;
    struct heartbeat old = beat_of("me.1", HEARTBEAT_SERVING);

    pass(2000);
    hear("b.1", HEARTBEAT_SERVING);
    old.number = own_number;
    for (int i = 0; i < 60; i++) {
        now += 100;
        membership_hear(&membership, &old, now);
        membership_expire(&membership, now, on_expired, NULL);
    }
    assert_int_equal(expired, 0);
}

static void more_than_the_limit_are_refused(void **state)
{
    (void)state;
    char name[32];

    for (int i = 0; i < MEMBERS_MAX; i++) {
        snprintf(name, sizeof name, "n.%d", i);
        assert_int_equal(hear(name, HEARTBEAT_SERVING), MEMBERSHIP_JOINED);
    }
    assert_int_equal(hear("one.more", HEARTBEAT_SERVING), MEMBERSHIP_REFUSED);
    assert_int_equal(hear("n.7", HEARTBEAT_SERVING), MEMBERSHIP_UPDATED);
    assert_int_equal(hear("n.7", HEARTBEAT_LEAVING), MEMBERSHIP_LEFT);
    assert_int_equal(hear("one.more", HEARTBEAT_SERVING), MEMBERSHIP_JOINED);
    assert_int_equal(membership_nodes(&membership), MEMBERS_MAX);
}

static void it_is_quiet_only_while_all_serve_and_nobody_comes_or_goes(void **state)
{
    (void)state;
    assert_int_equal(membership_quiet_ms(&membership, now), 0); /* not heard itself yet */
    pass(1000);
    hear("b.1", HEARTBEAT_SERVING);
    assert_int_equal(membership_quiet_ms(&membership, now), 0);
    pass(2000);
    assert_int_equal(membership_quiet_ms(&membership, now), 2000);
    hear("b.1", HEARTBEAT_DRAINING);
    pass(500);
    assert_int_equal(membership_quiet_ms(&membership, now), 0);
    hear("b.1", HEARTBEAT_SERVING);
    pass(500);
    assert_int_equal(membership_quiet_ms(&membership, now), 500);
    hear("b.1", HEARTBEAT_LEAVING);
    pass(1000);
    assert_int_equal(membership_quiet_ms(&membership, now), 1000);
    hear("c.1", HEARTBEAT_SERVING);
    pass(3200); /* silent: gone after 3100 */
    assert_int_equal(expired, 1);
    assert_in_range(membership_quiet_ms(&membership, now), 0, 200);
}

static void a_state_of_its_own_or_a_cut_is_not_quiet(void **state)
{
    (void)state;
    pass(5000);
    hear_own(HEARTBEAT_CUT_OFF);
    assert_int_equal(membership_quiet_ms(&membership, now), 0);
    pass(3000);
    assert_int_equal(membership_quiet_ms(&membership, now), 3000);
    pass_in_silence(2000);
    assert_int_equal(membership_quiet_ms(&membership, now), 0);
    hear_own(HEARTBEAT_SERVING);
    now += 100;
    assert_int_equal(membership_quiet_ms(&membership, now), 100);
}

static void relays_are_members_but_no_nodes(void **state)
{
    (void)state;
    struct heartbeat relay = beat_of("r.1", HEARTBEAT_SERVING);

    relay.kind = HEARTBEAT_OF_RELAY;
    pass(5000);
    assert_int_equal(membership_hear(&membership, &relay, now), MEMBERSHIP_JOINED);
    assert_int_equal(membership_nodes(&membership), 0);
    assert_int_equal(membership_quiet_ms(&membership, now), 4000); /* since it first heard itself */
    pass(3200);
    assert_int_equal(expired, 1);
}

static void connections_are_those_of_the_nodes_that_are_there_and_of_those_that_drain(void **state)
{
    (void)state;
    struct heartbeat a = beat_of("a.1", HEARTBEAT_SERVING), b = beat_of("b.1", HEARTBEAT_DRAINING);
    struct heartbeat relay = beat_of("r.1", HEARTBEAT_SERVING);

    a.connections = 1000000000;
    b.connections = 500000000;
    b.interval_ms = 10000;
    relay.connections = 7;
    relay.kind = HEARTBEAT_OF_RELAY;
    membership_hear(&membership, &a, now);
    membership_hear(&membership, &b, now);
    membership_hear(&membership, &relay, now);
    assert_int_equal(membership_connections(&membership), 1500000000);
    b.number++;
    b.connections = 30;
    membership_hear(&membership, &b, now);
    assert_int_equal(membership_connections(&membership), 1000000030);
    pass(4200);
    assert_int_equal(membership_connections(&membership), 30); /* a was silent */
}

static void count_member(void *context, const struct member *member)
{
    assert_int_equal(member->heard_ms, now);
    ++*(size_t *)context;
}

static void every_member_is_shown_once(void **state)
{
    (void)state;
    size_t seen = 0;

    hear("b.1", HEARTBEAT_SERVING);
    hear("c.1", HEARTBEAT_DRAINING);
    membership_each(&membership, count_member, &seen);
    assert_int_equal(seen, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_process_joins_with_its_first_beat_and_leaves_when_it_says_so),
        TEST(a_beat_that_was_overtaken_changes_nothing),
        TEST(the_own_beat_is_nobody_else),
        TEST(who_is_silent_for_three_beats_is_gone_not_before),
        TEST(the_longer_interval_of_both_sides_counts),
        TEST(who_is_cut_off_declares_nobody_dead),
        TEST(who_was_stopped_declares_nobody_dead),
        TEST(who_never_heard_itself_declares_nobody_dead),
        TEST(an_old_own_beat_proves_nothing),
        TEST(more_than_the_limit_are_refused),
        TEST(it_is_quiet_only_while_all_serve_and_nobody_comes_or_goes),
        TEST(a_state_of_its_own_or_a_cut_is_not_quiet),
        TEST(relays_are_members_but_no_nodes),
        TEST(connections_are_those_of_the_nodes_that_are_there_and_of_those_that_drain),
        TEST(every_member_is_shown_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
