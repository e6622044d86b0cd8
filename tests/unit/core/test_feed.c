#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feed_scene.h"

static void an_empty_room_stands_at_its_beginning(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_play(&scene);
    assert_true(scene.feed.is_settled);
    assert_string_equal(scene.feed.position.epoch, EPOCH_EMPTY);
    assert_int_equal(scene.feed.position.seq, 0);
    assert_int_equal(scene.heads, 1);
    scene_store(&scene);
    scene_play(&scene);
    scene_delivered(&scene, 1, 1);
    assert_string_equal(scene.feed.position.epoch, "a");
    scene_end(&scene);
}

static void a_room_stands_at_the_last_event_that_the_leader_has(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 42);
    assert_int_equal(scene_store(&scene), FEED_TAKEN);
    scene_play(&scene);
    scene_delivered(&scene, 43, 43);
    assert_int_equal(scene.reads + scene.searches, 0);
    scene_end(&scene);
}

static void what_came_before_the_answer_is_delivered_if_it_is_behind_it(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene.last = 40;
    struct feed_action ask = scene_expect(&scene, FEED_ASK_HEAD);
    scene_store(&scene);
    scene_store(&scene);
    scene_store(&scene);
    scene_expect(&scene, FEED_NOTHING);
    scene_answer(&scene, &ask, FEED_FOUND, 41); /* the answer is of then */
    scene_play(&scene);
    scene_delivered(&scene, 42, 43);
    scene_end(&scene);
}

static void of_a_room_that_was_empty_all_that_came_is_delivered(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    struct feed_action ask = scene_expect(&scene, FEED_ASK_HEAD);
    for (int i = 0; i < 5; i++)
        scene_store(&scene);
    scene_answer(&scene, &ask, FEED_NONE, 0);
    scene_play(&scene);
    scene_delivered(&scene, 1, 5);
    scene_end(&scene);
}

static void an_event_that_comes_twice_is_delivered_once(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene_store(&scene);
    assert_int_equal(scene_live(&scene, 11), FEED_DUPLICATE);
    scene_play(&scene);
    assert_int_equal(scene_live(&scene, 11), FEED_DUPLICATE);
    assert_int_equal(scene_live(&scene, 10), FEED_DUPLICATE);
    assert_int_equal(scene_live(&scene, 3), FEED_DUPLICATE); /* before all that is remembered */
    scene_play(&scene);
    scene_delivered(&scene, 11, 11);
    assert_int_equal(scene.losses, 0);
    scene_end(&scene);
}

static void events_that_change_places_are_delivered_in_order(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene.may_read = 0;
    assert_int_equal(scene_live(&scene, 13), FEED_GAP);
    assert_int_equal(scene_live(&scene, 12), FEED_TAKEN);
    scene_play(&scene);
    assert_true(feed_has_gap(&scene.feed));
    assert_int_equal(scene_live(&scene, 11), FEED_TAKEN);
    scene_play(&scene);
    scene_delivered(&scene, 11, 13);
    assert_int_equal(scene.reads, 0);
    scene_end(&scene);
}

static void a_last_event_that_was_lost_is_found_by_verification(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene.last = 11;
    scene_wait(&scene, 2 * scene.rules.verify_every_ms);
    scene_delivered(&scene, 11, 11);
    assert_in_range(scene.heads, 2, 4);
    scene_end(&scene);
}

static void suspicion_asks_again_and_passes_over_the_answer_under_way(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    feed_suspect(&scene.feed, scene.now, 0);
    struct feed_action old = scene_expect(&scene, FEED_ASK_HEAD);
    feed_suspect(&scene.feed, scene.now, 100);
    scene_expect(&scene, FEED_NOTHING);
    scene_answer(&scene, &old, FEED_FOUND, 10); /* asked before the trouble */
    assert_false(scene.feed.is_verified);
    scene.last = 12;
    assert_int_equal(feed_due(&scene.feed, &scene.rules), scene.now + 100);
    scene_wait(&scene, 100);
    assert_true(scene.feed.is_verified);
    scene_delivered(&scene, 11, 12);
    scene_end(&scene);
}

static void trouble_after_trouble_does_not_put_the_question_off(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene.last = 11;
    for (int i = 0; i < 10; i++) {
        feed_suspect(&scene.feed, scene.now, 300);
        scene_wait(&scene, 50);
    }
    scene_delivered(&scene, 11, 11);
    scene_end(&scene);
}

static void while_nobody_answers_the_questions_become_rare_whatever_arrives(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene.is_down = true;
    feed_suspect(&scene.feed, scene.now, 0);
    for (int i = 0; i < 2000; i++) {
        scene.epoch = i % 2 ? "b" : "c"; /* each a reason to ask */
        scene_live(&scene, 5);
        scene_wait(&scene, 10);
    }
    assert_in_range(scene.heads, 10, 40);
    scene_end(&scene);
}

static void a_leader_that_knows_less_than_we_is_asked_again(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene_store(&scene);
    scene_play(&scene);
    scene_delivered(&scene, 11, 11);
    scene.last = 9; /* as a deposed one sees it */
    feed_suspect(&scene.feed, scene.now, 0);
    scene_wait(&scene, 300);
    assert_false(scene.feed.is_verified);
    scene.last = 12;
    scene_wait(&scene, 300);
    assert_true(scene.feed.is_verified);
    scene_delivered(&scene, 12, 12);
    assert_int_equal(scene.losses, 0);
    scene_end(&scene);
}

static void a_stream_that_has_lost_events_does_not_hold_the_room_up(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene.last = 9;
    feed_suspect(&scene.feed, scene.now, 0);
    scene_wait(&scene, 2000);
    assert_true(scene.feed.is_verified);
    assert_int_equal(scene.feed.position.seq, 10);
    unsigned heads = scene.heads;
    scene_wait(&scene, 3 * scene.rules.verify_every_ms); /* and is not asked four times for ever */
    assert_in_range(scene.heads - heads, 2, 5);
    scene_end(&scene);
}

static void a_room_whose_last_message_cannot_be_read_goes_on_with_the_next(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    struct feed_action ask = scene_expect(&scene, FEED_ASK_HEAD);
    scene_answer(&scene, &ask, FEED_UNREADABLE, 7);
    scene_play(&scene);
    assert_true(scene.feed.is_settled);
    scene.last = 8;
    scene_live(&scene, 8); /* its trail says that it stands just behind */
    scene_play(&scene);
    scene_delivered(&scene, 8, 8);
    assert_int_equal(scene.losses + scene.reads + scene.searches, 0);
    scene_end(&scene);
}

static void a_message_that_cannot_be_read_does_not_hide_that_the_leader_answered(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 6);
    feed_suspect(&scene.feed, scene.now, 0);
    struct feed_action ask = scene_expect(&scene, FEED_ASK_HEAD);
    scene_answer(&scene, &ask, FEED_UNREADABLE, 7);
    assert_true(scene.feed.is_verified);
    scene_expect(&scene, FEED_NOTHING);
    scene_end(&scene);
}

static void what_waits_for_its_turn_is_bounded_and_read_again(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene.frame_bytes = 1000;
    scene.rules.max_bytes = 20 * 1000;
    scene_settle(&scene, 10);
    scene.last = 200;
    scene.may_read = 0;
    for (uint64_t seq = 12; seq <= 200; seq++) {
        scene_live(&scene, seq);
        assert_true(scene.feed.history.bytes <= scene.rules.max_bytes);
    }
    scene.may_read = 1000;
    scene_play(&scene);
    scene_delivered(&scene, 11, 200);
    assert_in_range(scene.reads + scene.searches, 150, 300);
    assert_int_equal(scene.losses, 0);
    scene_end(&scene);
}

static void what_is_kept_behind_the_position_is_bounded(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene.rules.max_events = 50;
    scene_settle(&scene, 0);
    for (int i = 0; i < 500; i++) {
        scene_store(&scene);
        scene_play(&scene);
        assert_true(scene.feed.history.count <= 50);
    }
    assert_true(scene_holds(&scene.feed, &(struct position){.epoch = "a", .seq = 450}));
    assert_false(scene_holds(&scene.feed, &(struct position){.epoch = "a", .seq = 449}));
    scene.frame_bytes = 1000;
    scene.rules.max_bytes = 5000;
    for (int i = 0; i < 50; i++) {
        scene_store(&scene);
        scene_play(&scene);
    }
    assert_true(scene.feed.history.bytes <= 5000);
    scene_end(&scene);
}

static void the_owner_can_take_events_away_down_to_the_newest(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    for (int i = 0; i < 30; i++)
        scene_store(&scene);
    scene_play(&scene);
    unsigned evicted = 0;
    while (feed_evict(&scene.feed)) {
        evicted++;
        assert_true(feed_is_valid(&scene.feed));
        assert_int_equal(scene.feed.held_from, 10 + evicted);
    }
    assert_int_equal(evicted, 30);
    assert_true(scene.feed.history.count <= TRAIL_MAX + 1);
    scene_delivered(&scene, 11, 40);
    scene_store(&scene);
    scene_play(&scene);
    scene_delivered(&scene, 41, 41);
    scene_end(&scene);
}

static void something_is_due_at_once_or_later_never_in_the_past(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    assert_int_equal(feed_due(&scene.feed, &scene.rules), scene.now);
    struct feed_action ask = scene_expect(&scene, FEED_ASK_HEAD);
    assert_int_equal(feed_due(&scene.feed, &scene.rules), 0); /* the answer comes first */
    scene_answer(&scene, &ask, FEED_UNAVAILABLE, 0);
    assert_true(feed_due(&scene.feed, &scene.rules) > scene.now);
    scene_wait(&scene, 100);
    assert_true(scene.feed.is_settled);
    scene_live(&scene, 5);
    scene.may_read = 0;
    scene.is_down = true;
    scene_wait(&scene, 5 * scene.rules.repair_timeout_ms); /* scene_play() checks what is due */
    assert_int_equal(scene.losses, 1);
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_room_stands_at_its_beginning),
        cmocka_unit_test(a_room_stands_at_the_last_event_that_the_leader_has),
        cmocka_unit_test(what_came_before_the_answer_is_delivered_if_it_is_behind_it),
        cmocka_unit_test(of_a_room_that_was_empty_all_that_came_is_delivered),
        cmocka_unit_test(an_event_that_comes_twice_is_delivered_once),
        cmocka_unit_test(events_that_change_places_are_delivered_in_order),
        cmocka_unit_test(a_last_event_that_was_lost_is_found_by_verification),
        cmocka_unit_test(suspicion_asks_again_and_passes_over_the_answer_under_way),
        cmocka_unit_test(trouble_after_trouble_does_not_put_the_question_off),
        cmocka_unit_test(while_nobody_answers_the_questions_become_rare_whatever_arrives),
        cmocka_unit_test(a_leader_that_knows_less_than_we_is_asked_again),
        cmocka_unit_test(a_stream_that_has_lost_events_does_not_hold_the_room_up),
        cmocka_unit_test(a_room_whose_last_message_cannot_be_read_goes_on_with_the_next),
        cmocka_unit_test(a_message_that_cannot_be_read_does_not_hide_that_the_leader_answered),
        cmocka_unit_test(what_waits_for_its_turn_is_bounded_and_read_again),
        cmocka_unit_test(what_is_kept_behind_the_position_is_bounded),
        cmocka_unit_test(the_owner_can_take_events_away_down_to_the_newest),
        cmocka_unit_test(something_is_due_at_once_or_later_never_in_the_past),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
