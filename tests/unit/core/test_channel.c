#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <roomcast/core/channel.h>

static struct position at(const char *epoch, uint64_t seq)
{
    struct position position = {.seq = seq};
    strcpy(position.epoch, epoch);
    return position;
}

static enum channel_verdict offer(struct channel *channel, const char *epoch, uint64_t seq)
{
    struct position position = at(epoch, seq);
    return channel_offer(channel, &position);
}

static struct channel settled(const char *epoch, uint64_t seq)
{
    struct channel channel;
    struct position last = at(epoch, seq);
    channel_init(&channel);
    channel_settle(&channel, &last);
    return channel;
}

static void events_are_held_until_the_position_is_known(void **state)
{
    (void)state;
    struct channel channel;
    channel_init(&channel);
    assert_int_equal(offer(&channel, "a", 5), CHANNEL_HOLD);
    assert_int_equal(offer(&channel, "a", 6), CHANNEL_HOLD);
    struct position last = at("a", 5);
    channel_settle(&channel, &last);
    assert_int_equal(offer(&channel, "a", 5), CHANNEL_DUPLICATE);
    assert_int_equal(offer(&channel, "a", 6), CHANNEL_DELIVER);
}

static void events_in_order_are_delivered_and_move_the_position(void **state)
{
    (void)state;
    struct channel channel = settled("a", 41);
    assert_int_equal(offer(&channel, "a", 42), CHANNEL_DELIVER);
    assert_int_equal(offer(&channel, "a", 43), CHANNEL_DELIVER);
    assert_int_equal(channel.position.seq, 43);
}

static void a_number_seen_before_is_a_duplicate(void **state)
{
    (void)state;
    struct channel channel = settled("a", 41);
    assert_int_equal(offer(&channel, "a", 41), CHANNEL_DUPLICATE);
    assert_int_equal(offer(&channel, "a", 1), CHANNEL_DUPLICATE);
    assert_int_equal(channel.position.seq, 41);
}

static bool check(struct channel *channel, const char *epoch, uint64_t seq)
{
    struct position last = at(epoch, seq);
    return channel_check(channel, &last);
}

static enum channel_verdict fetched(struct channel *channel, const char *epoch, uint64_t seq)
{
    struct position position = at(epoch, seq);
    return channel_fetched(channel, &position);
}

static void a_jump_is_repaired_from_the_stream_while_later_events_wait(void **state)
{
    (void)state;
    struct channel channel = settled("a", 41);
    assert_int_equal(offer(&channel, "a", 44), CHANNEL_GAP);
    assert_int_equal(channel.state, CHANNEL_REPAIRING);
    assert_int_equal(channel.position.seq, 41);
    assert_int_equal(offer(&channel, "a", 45), CHANNEL_HOLD);
    assert_int_equal(offer(&channel, "a", 40), CHANNEL_DUPLICATE);
    for (uint64_t seq = 42; seq <= 44; seq++) {
        assert_false(channel_is_repaired(&channel));
        assert_int_equal(fetched(&channel, "a", seq), CHANNEL_DELIVER);
    }
    assert_true(channel_is_repaired(&channel));
    channel_resume(&channel, false);
    assert_int_equal(offer(&channel, "a", 44), CHANNEL_DUPLICATE);
    assert_int_equal(offer(&channel, "a", 45), CHANNEL_DELIVER);
}

static void what_the_stream_has_lost_is_passed_over(void **state)
{
    (void)state;
    struct channel channel = settled("a", 41);
    assert_int_equal(offer(&channel, "a", 50), CHANNEL_GAP);
    assert_int_equal(fetched(&channel, "a", 41), CHANNEL_DUPLICATE);
    assert_int_equal(fetched(&channel, "a", 48), CHANNEL_GAP);
    assert_int_equal(fetched(&channel, "a", 49), CHANNEL_DELIVER);
    channel_resume(&channel, true);
    assert_int_equal(offer(&channel, "a", 50), CHANNEL_DELIVER);
}

static void a_check_finds_a_tail_that_never_arrived(void **state)
{
    (void)state;
    struct channel channel = settled("a", 41);
    assert_false(check(&channel, "a", 41));
    assert_false(check(&channel, "a", 40));
    assert_false(check(&channel, EPOCH_EMPTY, 0));
    assert_int_equal(channel.state, CHANNEL_LIVE);
    assert_true(check(&channel, "a", 42));
    assert_int_equal(channel.state, CHANNEL_REPAIRING);
    assert_int_equal(fetched(&channel, "a", 42), CHANNEL_DELIVER);
    assert_true(channel_is_repaired(&channel));
}

static void a_tail_that_is_gone_from_the_stream_is_given_up(void **state)
{
    (void)state;
    struct channel channel = settled("a", 41);
    assert_true(check(&channel, "a", 45));
    channel_resume(&channel, false);
    assert_int_equal(offer(&channel, "a", 45), CHANNEL_DUPLICATE);
    assert_int_equal(offer(&channel, "a", 46), CHANNEL_DELIVER);
}

static void a_check_while_repairing_only_moves_the_target_on(void **state)
{
    (void)state;
    struct channel channel = settled("a", 41);
    assert_true(check(&channel, "a", 45));
    assert_true(check(&channel, "a", 43));
    assert_int_equal(channel.target.seq, 45);
    assert_true(check(&channel, "a", 47));
    assert_int_equal(channel.target.seq, 47);
}

static void a_new_epoch_starts_at_one(void **state)
{
    (void)state;
    struct channel channel = settled("a", 41);
    assert_int_equal(offer(&channel, "b", 1), CHANNEL_DELIVER);
    assert_string_equal(channel.position.epoch, "b");
    assert_int_equal(offer(&channel, "c", 2), CHANNEL_GAP);
    assert_int_equal(fetched(&channel, "c", 1), CHANNEL_DELIVER);
    assert_int_equal(fetched(&channel, "c", 2), CHANNEL_DELIVER);
    assert_true(channel_is_repaired(&channel));
}

static void the_first_event_of_an_empty_room_is_delivered(void **state)
{
    (void)state;
    struct channel channel = settled(EPOCH_EMPTY, 0);
    assert_int_equal(offer(&channel, "a", 1), CHANNEL_DELIVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_held_until_the_position_is_known),
        cmocka_unit_test(events_in_order_are_delivered_and_move_the_position),
        cmocka_unit_test(a_number_seen_before_is_a_duplicate),
        cmocka_unit_test(a_jump_is_repaired_from_the_stream_while_later_events_wait),
        cmocka_unit_test(what_the_stream_has_lost_is_passed_over),
        cmocka_unit_test(a_check_finds_a_tail_that_never_arrived),
        cmocka_unit_test(a_tail_that_is_gone_from_the_stream_is_given_up),
        cmocka_unit_test(a_check_while_repairing_only_moves_the_target_on),
        cmocka_unit_test(a_new_epoch_starts_at_one),
        cmocka_unit_test(the_first_event_of_an_empty_room_is_delivered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
