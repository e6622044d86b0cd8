#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <roomcast/core/history.h>

static void put(struct history *history, uint64_t seq)
{
    struct feed_event event = {
        .position = {.epoch = "a", .seq = seq}, .stream_seq = 10 * seq, .id_hash = seq};

    event.frame = frame_new(FRAME_TEXT, slice_of("x"));
    assert_non_null(event.frame);
    assert_int_equal(history_reach(history, seq), ERR_OK);
    history_put(history, &event);
    frame_unref(&event.frame);
}

static bool holds(const struct history *history, uint64_t seq)
{
    const struct history_slot *slot = history_slot(history, seq);
    return slot && slot->frame && slot->id_hash == seq && slot->stream_seq == 10 * seq;
}

static void the_window_reaches_from_the_lowest_to_the_highest_number(void **state)
{
    (void)state;
    struct history history;
    history_init(&history);
    assert_null(history_slot(&history, 5));
    assert_int_equal(history_last(&history), 0);
    put(&history, 50);
    put(&history, 53);
    put(&history, 20);
    assert_int_equal(history.first, 20);
    assert_int_equal(history_last(&history), 53);
    assert_null(history_slot(&history, 19));
    assert_null(history_slot(&history, 54));
    assert_true(holds(&history, 50) && holds(&history, 53) && holds(&history, 20));
    assert_non_null(history_slot(&history, 21));
    assert_null(history_slot(&history, 21)->frame);
    history_fini(&history);
}

static void events_stay_in_their_places_while_the_window_wanders_and_grows(void **state)
{
    (void)state;
    struct history history;
    history_init(&history);
    for (uint64_t seq = 100; seq < 1100; seq++) {
        put(&history, seq);
        if (seq >= 110)
            history_forget_below(&history, seq - 10);
        assert_true(history.count <= 11 && history.capacity <= 64);
        for (uint64_t held = history.first; held <= seq; held++)
            assert_true(holds(&history, held));
    }
    for (uint64_t seq = history.first - 1; seq >= 1000; seq--)
        put(&history, seq);
    for (uint64_t seq = 1000; seq < 1100; seq++)
        assert_true(holds(&history, seq));
    assert_int_equal(history.bytes, 100 * 3);
    history_fini(&history);
}

static void a_window_that_would_be_too_wide_is_refused_and_stays(void **state)
{
    (void)state;
    struct history history;
    history_init(&history);
    put(&history, 10);
    assert_int_equal(history_reach(&history, SEQ_MAX), ERR_RANGE);
    assert_int_equal(history.count, 1);
    assert_true(holds(&history, 10));
    history_fini(&history);
}

static void a_trail_notes_places_that_are_not_known(void **state)
{
    (void)state;
    struct history history;
    struct trail trail = {.count = 3, .seqs = {90, 80, 70}};
    history_init(&history);
    put(&history, 10);
    assert_int_equal(history_reach(&history, 8), ERR_OK);
    assert_true(history_locate(&history, 10, &trail));
    assert_int_equal(history_slot(&history, 9)->stream_seq, 90);
    assert_int_equal(history_slot(&history, 8)->stream_seq, 80);
    assert_null(history_slot(&history, 7)); /* outside the window */
    history_fini(&history);
}

static void a_trail_that_leads_past_a_seen_event_disagrees(void **state)
{
    (void)state;
    struct history history;
    struct trail wrong = {.count = 1, .seqs = {95}};
    history_init(&history);
    put(&history, 9);
    put(&history, 10);
    assert_false(history_locate(&history, 10, &wrong));
    assert_int_equal(history_slot(&history, 9)->stream_seq, 90);
    history_fini(&history);
}

static void places_of_an_earlier_epoch_are_nobodys(void **state)
{
    (void)state;
    struct history history;
    struct trail trail = {.count = 3, .seqs = {10, 7, 5}}; /* only the first is of this one */
    history_init(&history);
    put(&history, 2);
    assert_int_equal(history_reach(&history, 1), ERR_OK);
    assert_true(history_locate(&history, 2, &trail));
    assert_int_equal(history_slot(&history, 1)->stream_seq, 10);
    assert_int_equal(history.first, 1);
    history_fini(&history);
}

static void a_dropped_event_leaves_its_place_behind(void **state)
{
    (void)state;
    struct history history;
    history_init(&history);
    put(&history, 10);
    history_drop_frame(&history, 10);
    history_drop_frame(&history, 10);
    history_drop_frame(&history, 11);
    assert_int_equal(history.bytes, 0);
    assert_null(history_slot(&history, 10)->frame);
    assert_int_equal(history_slot(&history, 10)->stream_seq, 100);
    put(&history, 10);
    assert_true(holds(&history, 10));
    history_fini(&history);
}

static void what_is_forgotten_gives_its_memory_back(void **state)
{
    (void)state;
    struct history history;
    history_init(&history);
    for (uint64_t seq = 1; seq <= 1000; seq++)
        put(&history, seq);
    history_forget_above(&history, 900);
    history_forget_below(&history, 898);
    assert_int_equal(history.count, 3);
    assert_int_equal(history.bytes, 3 * 3);
    assert_true(history.capacity <= 16);
    assert_true(holds(&history, 898) && holds(&history, 899) && holds(&history, 900));
    history_forget_above(&history, 5);
    assert_int_equal(history.count, 0);
    assert_int_equal(history.bytes, 0);
    put(&history, 7); /* and goes on anywhere */
    assert_true(holds(&history, 7));
    history_clear(&history);
    assert_null(history.slots);
}

static void the_held_stretch_ends_at_the_first_hole(void **state)
{
    (void)state;
    struct history history;
    history_init(&history);
    put(&history, 4);
    put(&history, 6);
    put(&history, 7);
    put(&history, 8);
    assert_int_equal(history_held_from(&history, 8, 1), 6);
    assert_int_equal(history_held_from(&history, 8, 7), 7);
    assert_int_equal(history_held_from(&history, 5, 1), 6);
    assert_int_equal(history_held_from(&history, 9, 1), 10);
    history_fini(&history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_window_reaches_from_the_lowest_to_the_highest_number),
        cmocka_unit_test(events_stay_in_their_places_while_the_window_wanders_and_grows),
        cmocka_unit_test(a_window_that_would_be_too_wide_is_refused_and_stays),
        cmocka_unit_test(a_trail_notes_places_that_are_not_known),
        cmocka_unit_test(a_trail_that_leads_past_a_seen_event_disagrees),
        cmocka_unit_test(places_of_an_earlier_epoch_are_nobodys),
        cmocka_unit_test(a_dropped_event_leaves_its_place_behind),
        cmocka_unit_test(what_is_forgotten_gives_its_memory_back),
        cmocka_unit_test(the_held_stretch_ends_at_the_first_hole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
