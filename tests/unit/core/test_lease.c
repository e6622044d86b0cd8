#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>

#include <roomcast/core/lease.h>

#define TTL 1200u

static struct lease_action expect(struct lease *lease, uint64_t now, enum lease_action_kind kind)
{
    struct lease_action action = lease_next(lease, now);

    assert_true(lease_is_consistent(lease));
    assert_int_equal(action.kind, kind);
    return action;
}

static void expect_wait(struct lease *lease, uint64_t now, uint64_t until)
{
    assert_int_equal(expect(lease, now, LEASE_WAIT).until_ms, until);
}

static void expect_put(struct lease *lease, uint64_t now, uint64_t expect_last, uint64_t term, bool released)
{
    struct lease_action action = expect(lease, now, LEASE_PUT);

    assert_int_equal(action.expect_last, expect_last);
    assert_int_equal(action.term, term);
    assert_int_equal(action.released, released);
    assert_int_equal(action.write, lease->write);
    expect(lease, now, LEASE_NOTHING);
}

/* The next look finds this. */
static void look(struct lease *lease, uint64_t now, struct lease_last last)
{
    expect(lease, now, LEASE_READ);
    expect(lease, now, LEASE_NOTHING);
    lease_on_last(lease, &last, now, 0);
}

static struct lease_last record_of(const char *instance, uint64_t stream_seq, uint64_t term, uint64_t write)
{
    struct lease_last last = {.kind = LEASE_LAST_FOUND,
                              .stream_seq = stream_seq,
                              .record = {.term = term, .write = write, .ttl_ms = TTL}};

    snprintf(last.record.instance, sizeof last.record.instance, "%s", instance);
    return last;
}

static const struct lease_last none = {.kind = LEASE_LAST_NONE};
static const struct lease_last unavailable = {.kind = LEASE_LAST_UNAVAILABLE};

static void init(struct lease *lease)
{
    lease_init(lease, "me", TTL);
    assert_true(lease_is_consistent(lease));
}

/* At 300 it works, by record 1 at stream sequence 7, sent at 0: valid until 900, the next at 400. */
static void begin_active(struct lease *lease)
{
    init(lease);
    look(lease, 0, none);
    expect_put(lease, 0, 0, 1, false);
    lease_on_put(lease, LEASE_PUT_STORED, 7, 0, 0);
    expect_wait(lease, 0, 300);
    assert_false(lease_may_work(lease, 0));
    look(lease, 300, record_of("me", 7, 1, 1));
    expect(lease, 300, LEASE_GAINED);
    expect_wait(lease, 300, 400);
    assert_int_equal(lease_valid_until(lease), 900);
}

static void lease_is_taken_when_nobody_has_it(void **state)
{
    (void)state;
    struct lease lease;

    begin_active(&lease);
    assert_true(lease_may_work(&lease, 899));
    assert_false(lease_may_work(&lease, 900));
    expect_put(&lease, 400, 7, 1, false);
    lease_on_put(&lease, LEASE_PUT_STORED, 8, 450, 0);
    assert_int_equal(lease_valid_until(&lease), 1300); /* from when it was sent */
    expect_wait(&lease, 450, 800);
}

static void lease_of_another_is_watched(void **state)
{
    (void)state;
    struct lease lease;

    init(&lease);
    look(&lease, 0, record_of("other", 10, 4, 1));
    for (uint64_t now = 120; now < 1200; now += 120) {
        expect_wait(&lease, now - 120, now);
        look(&lease, now, record_of("other", 10 + (now > 500), 4, 2)); /* it renews at about 600 */
    }
    expect_wait(&lease, 1080, 1200);
    look(&lease, 1790, record_of("other", 11, 4, 2));
    expect_wait(&lease, 1790, 1800); /* seen first at 600 */
    look(&lease, 1800, record_of("other", 11, 4, 2));
    expect_put(&lease, 1800, 11, 5, false);
    lease_on_put(&lease, LEASE_PUT_STORED, 12, 1810, 0);
    look(&lease, 2110, record_of("me", 12, 5, 1));
    expect(&lease, 2110, LEASE_GAINED);
}

static void lease_with_a_longer_time_is_watched_longer(void **state)
{
    (void)state;
    struct lease lease;
    struct lease_last last = record_of("other", 10, 4, 1);

    last.record.ttl_ms = 3 * TTL;
    init(&lease);
    look(&lease, 0, last);
    look(&lease, 3 * TTL - 1, last);
    expect_wait(&lease, 3 * TTL - 1, 3 * TTL);
    look(&lease, 3 * TTL, last);
    expect_put(&lease, 3 * TTL, 10, 5, false);
}

static void lease_that_was_released_is_taken_at_once(void **state)
{
    (void)state;
    struct lease lease;
    struct lease_last last = record_of("other", 10, 4, 9);

    init(&lease);
    last.record.released = true;
    look(&lease, 0, last);
    expect_put(&lease, 0, 10, 5, false);
    lease_on_put(&lease, LEASE_PUT_FENCED, 0, 5, 0);
    look(&lease, 5, record_of("third", 11, 5, 1)); /* somebody was faster */
    expect_wait(&lease, 5, 125);
    assert_int_equal(lease.role, LEASE_STANDBY);
}

static void lease_that_is_unreadable_is_anothers(void **state)
{
    (void)state;
    struct lease lease;
    const struct lease_last last = {.kind = LEASE_LAST_UNREADABLE, .stream_seq = 10};

    init(&lease);
    look(&lease, 0, last);
    look(&lease, TTL - 1, last);
    look(&lease, TTL, last);
    expect_put(&lease, TTL, 10, 1, false);
}

static void lease_that_vanished_is_waited_for(void **state)
{
    (void)state;
    struct lease lease;

    init(&lease);
    look(&lease, 0, record_of("other", 10, 4, 1));
    look(&lease, 500, none); /* its holder works until it notices */
    look(&lease, 500 + TTL - 1, none);
    expect_wait(&lease, 500 + TTL - 1, 500 + TTL);
    look(&lease, 500 + TTL, none);
    expect_put(&lease, 500 + TTL, 0, 5, false);
}

static void lease_taken_by_two_at_once_is_the_last_ones(void **state)
{
    (void)state;
    struct lease lease;

    init(&lease);
    look(&lease, 0, none);
    expect_put(&lease, 0, 0, 1, false);
    lease_on_put(&lease, LEASE_PUT_STORED, 7, 0, 0);
    look(&lease, 300, record_of("other", 8, 1, 1)); /* it passed the same fence */
    assert_int_equal(lease.role, LEASE_STANDBY);
    expect_wait(&lease, 300, 420);
}

static void lease_lapses_while_the_store_is_away_and_goes_on(void **state)
{
    (void)state;
    struct lease lease;

    begin_active(&lease);
    expect_put(&lease, 400, 7, 1, false);
    lease_on_put(&lease, LEASE_PUT_FAILED, 0, 400, 0);
    look(&lease, 400, unavailable);
    for (uint64_t now = 400; now < 5000;) {
        assert_int_equal(lease_may_work(&lease, now), now < 900);
        struct lease_action action = expect(&lease, now, LEASE_WAIT);
        assert_in_range(action.until_ms - now, 60, 120);
        now = action.until_ms;
        look(&lease, now, unavailable);
    }
    look(&lease, 6000, record_of("me", 7, 1, 1));
    uint64_t now = expect(&lease, 6000, LEASE_WAIT).until_ms; /* not a busy loop */
    expect_put(&lease, now, 7, 1, false);
    lease_on_put(&lease, LEASE_PUT_STORED, 9, now + 10, 0);
    assert_false(lease_may_work(&lease, now + 10)); /* a take-over may have passed the same fence */
    expect_wait(&lease, now + 10, now + 310);
    look(&lease, now + 310, record_of("me", 9, 1, 3));
    expect(&lease, now + 310, LEASE_RESUMED);
    assert_int_equal(lease_valid_until(&lease), now + 900);
}

static void lease_is_lost_to_another(void **state)
{
    (void)state;
    struct lease lease;

    begin_active(&lease);
    expect_put(&lease, 2000, 7, 1, false);
    lease_on_put(&lease, LEASE_PUT_FENCED, 0, 2010, 0);
    assert_false(lease_may_work(&lease, 2010));
    look(&lease, 2010, record_of("other", 9, 2, 1));
    expect(&lease, 2010, LEASE_LOST);
    expect_wait(&lease, 2010, 2130);
    assert_int_equal(lease.role, LEASE_STANDBY);
}

static void lease_was_renewed_behind_a_lost_answer(void **state)
{
    (void)state;
    struct lease lease;

    begin_active(&lease);
    expect_put(&lease, 400, 7, 1, false);
    lease_on_put(&lease, LEASE_PUT_UNKNOWN, 0, 800, 0);
    look(&lease, 800, record_of("me", 8, 1, 2));
    assert_int_equal(lease_valid_until(&lease), 1300);
    expect_put(&lease, 810, 8, 1, false);
    lease_on_put(&lease, LEASE_PUT_UNKNOWN, 0, 1200, 0);
    look(&lease, 1200, record_of("me", 8, 1, 2)); /* it was swallowed: at once again */
    expect_put(&lease, 1200, 8, 1, false);
    lease_on_put(&lease, LEASE_PUT_STORED, 9, 1250, 0);
    assert_int_equal(lease_valid_until(&lease), 2100);
}

static void lease_taken_behind_a_lost_answer_is_written_again(void **state)
{
    (void)state;
    struct lease lease;

    init(&lease);
    look(&lease, 0, none);
    expect_put(&lease, 0, 0, 1, false);
    lease_on_put(&lease, LEASE_PUT_UNKNOWN, 0, 400, 0);
    look(&lease, 400, record_of("me", 7, 1, 1));
    uint64_t now = expect(&lease, 400, LEASE_WAIT).until_ms;
    expect_put(&lease, now, 7, 2, false);
    lease_on_put(&lease, LEASE_PUT_STORED, 8, now, 0);
    look(&lease, now + 300, record_of("me", 8, 2, 2));
    expect(&lease, now + 300, LEASE_GAINED);
}

static void lease_is_held_when_the_store_lost_its_record(void **state)
{
    (void)state;
    struct lease lease;

    begin_active(&lease);
    expect_put(&lease, 400, 7, 1, false);
    lease_on_put(&lease, LEASE_PUT_FENCED, 0, 410, 0);
    look(&lease, 410, none);
    expect_put(&lease, 410, 0, 1, false);
    lease_on_put(&lease, LEASE_PUT_STORED, 3, 420, 0);
    look(&lease, 720, record_of("me", 3, 1, 3));
    expect(&lease, 720, LEASE_RESUMED);
}

static void lease_is_released(void **state)
{
    (void)state;
    struct lease lease;

    begin_active(&lease);
    lease_release(&lease, 350);
    assert_false(lease_may_work(&lease, 350));
    expect_put(&lease, 350, 7, 1, true);
    lease_on_put(&lease, LEASE_PUT_STORED, 8, 360, 0);
    expect(&lease, 360, LEASE_NOTHING);
    assert_int_equal(lease.state, LEASE_ENDED);
}

static void lease_is_released_behind_a_renewal(void **state)
{
    (void)state;
    struct lease lease;

    begin_active(&lease);
    expect_put(&lease, 400, 7, 1, false);
    lease_release(&lease, 410);
    expect(&lease, 410, LEASE_NOTHING);
    lease_on_put(&lease, LEASE_PUT_UNKNOWN, 0, 800, 0);
    look(&lease, 800, record_of("me", 8, 1, 2));
    expect_put(&lease, 800, 8, 1, true);
    lease_on_put(&lease, LEASE_PUT_UNKNOWN, 0, 1200, 0);
    assert_int_equal(lease.state, LEASE_ENDED);
}

static void lease_that_cannot_be_released_lapses(void **state)
{
    (void)state;
    struct lease lease;

    begin_active(&lease);
    expect_put(&lease, 400, 7, 1, false);
    lease_release(&lease, 410);
    lease_on_put(&lease, LEASE_PUT_FAILED, 0, 420, 0);
    look(&lease, 420, unavailable);
    assert_int_equal(lease.state, LEASE_ENDED);
}

static void lease_of_another_needs_no_release(void **state)
{
    (void)state;
    struct lease lease;

    init(&lease);
    look(&lease, 0, record_of("other", 10, 4, 1));
    lease_release(&lease, 1);
    assert_int_equal(lease.state, LEASE_ENDED);
    expect(&lease, 5 * TTL, LEASE_NOTHING);
}

static void lease_times_fit_together(void **state)
{
    (void)state;

    for (uint64_t ttl = 500; ttl <= LEASE_TTL_MAX_MS; ttl += 500) {
        /* Time enough to settle and to be renewed once after a failure, before it lapses. */
        assert_true(2 * lease_renew_ms(ttl) < ttl - lease_margin_ms(ttl));
        assert_true(2 * lease_settle_ms(ttl) < ttl - lease_margin_ms(ttl));
        assert_true(2 * lease_look_ms(ttl) < ttl);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lease_is_taken_when_nobody_has_it),
        cmocka_unit_test(lease_of_another_is_watched),
        cmocka_unit_test(lease_with_a_longer_time_is_watched_longer),
        cmocka_unit_test(lease_that_was_released_is_taken_at_once),
        cmocka_unit_test(lease_that_is_unreadable_is_anothers),
        cmocka_unit_test(lease_that_vanished_is_waited_for),
        cmocka_unit_test(lease_taken_by_two_at_once_is_the_last_ones),
        cmocka_unit_test(lease_lapses_while_the_store_is_away_and_goes_on),
        cmocka_unit_test(lease_is_lost_to_another),
        cmocka_unit_test(lease_was_renewed_behind_a_lost_answer),
        cmocka_unit_test(lease_taken_behind_a_lost_answer_is_written_again),
        cmocka_unit_test(lease_is_held_when_the_store_lost_its_record),
        cmocka_unit_test(lease_is_released),
        cmocka_unit_test(lease_is_released_behind_a_renewal),
        cmocka_unit_test(lease_that_cannot_be_released_lapses),
        cmocka_unit_test(lease_of_another_needs_no_release),
        cmocka_unit_test(lease_times_fit_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
