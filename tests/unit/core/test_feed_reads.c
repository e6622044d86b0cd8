#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feed_scene.h"

#define READS_AT_ONCE (2 * TRAIL_MAX)

static void a_gap_is_read_through_the_trail(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene.last = 19;
    assert_int_equal(scene_store(&scene), FEED_GAP);
    scene_play(&scene);
    scene_delivered(&scene, 11, 20);
    assert_int_equal(scene.reads, 9);
    assert_int_equal(scene.searches + scene.leader_reads, 0);
    scene_end(&scene);
}

static void a_gap_longer_than_a_trail_is_read_from_trail_to_trail(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene.last = 999;
    scene_store(&scene);
    scene_play(&scene);
    scene_delivered(&scene, 11, 1000);
    assert_int_equal(scene.reads, 989);
    assert_int_equal(scene.searches, 0);
    scene_end(&scene);
}

static void no_more_than_some_reads_are_under_way(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene.last = 200;
    scene_store(&scene);
    struct feed_action under_way[READS_AT_ONCE + 1];
    unsigned count = 0;
    while (count <= READS_AT_ONCE && (under_way[count] = scene_next(&scene)).kind == FEED_READ)
        count++;
    assert_int_equal(count, TRAIL_MAX); /* what the trail tells */
    for (unsigned i = 0; i < count; i++)
        scene_reply(&scene, &under_way[i]);
    scene_play(&scene);
    scene_delivered(&scene, 11, 201);
    assert_true(scene.reading_max <= READS_AT_ONCE);
    scene_end(&scene);
}

static void nothing_is_read_beyond_the_owners_allowance(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene.last = 20;
    scene.may_read = 0;
    scene_store(&scene);
    scene_play(&scene);
    assert_int_equal(scene.reads, 0);
    assert_true(feed_wants_reads(&scene.feed, scene.now));
    scene.may_read = 1;
    struct feed_action read = scene_expect(&scene, FEED_READ);
    assert_false(feed_wants_reads(&scene.feed, scene.now)); /* its answer leads on */
    scene_reply(&scene, &read);
    scene_play(&scene);
    scene_delivered(&scene, 11, 21);
    assert_false(feed_wants_reads(&scene.feed, scene.now));
    scene_end(&scene);
}

static void without_trails_the_missing_events_are_searched_one_by_one(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene.has_no_trails = true;
    scene_settle(&scene, 10);
    scene.last = 29;
    scene_store(&scene);
    scene_play(&scene);
    scene_delivered(&scene, 11, 30);
    assert_int_equal(scene.searches, 19);
    scene_end(&scene);
}

static void a_gap_wider_than_the_history_is_closed_from_below(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene.rules.max_events = 20;
    scene_settle(&scene, 10);
    scene.last = 999;
    assert_int_equal(scene_store(&scene), FEED_DROPPED);
    scene_play(&scene);
    scene_delivered(&scene, 11, 1000);
    assert_int_equal(scene.losses, 0);
    scene_end(&scene);
}

static void a_wide_gap_without_an_end_in_the_stream_is_given_up(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene_live(&scene, SEQ_MAX - 1); /* and the stream has nothing */
    scene_wait(&scene, 5000);
    assert_int_equal(scene.losses, 1);
    assert_true(scene.feed.position.seq == SEQ_MAX - 1);
    scene_end(&scene);
}

static void a_hundred_thousand_missing_events_take_as_many_reads(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene.rules.max_events = 100000;
    scene.rules.max_bytes = SIZE_MAX;
    scene_settle(&scene, 10);
    scene.last = 100000;
    scene_store(&scene);
    unsigned reads = 0;
    for (struct feed_action action; (action = scene_next(&scene)).kind != FEED_NOTHING;) {
        reads += action.kind == FEED_READ;
        if (action.kind == FEED_READ)
            scene_reply(&scene, &action);
        else
            assert_int_equal(action.kind, FEED_DELIVER);
    }
    assert_int_equal(reads, 100000 - 10);
    assert_int_equal(scene.feed.position.seq, 100001);
    scene_end(&scene);
}

static void a_head_that_only_verification_shows_is_repaired_even_if_it_is_all_that_is_seen(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene.last = 15;
    feed_suspect(&scene.feed, scene.now, 0);
    scene_play(&scene);
    scene_delivered(&scene, 11, 15);
    assert_int_equal(scene.reads, 4); /* the head's answer had the fifth */
    scene_end(&scene);
}

/* --- copies that do not have it --- */

static struct feed_action read_of_11(struct scene *scene)
{
    scene_begin(scene);
    scene_settle(scene, 10);
    scene->last = 11;
    scene_store(scene);
    struct feed_action read = scene_expect(scene, FEED_READ);
    assert_int_equal(read.ask.seq, 11);
    assert_int_equal(read.stream_seq, 110);
    assert_false(read.from_leader);
    return read;
}

static void what_a_copy_does_not_have_is_read_from_the_leader(void **state)
{
    (void)state;
    static const enum feed_answer_kind kinds[] = {FEED_NONE, FEED_UNREADABLE};
    for (unsigned i = 0; i < 2; i++) {
        struct scene scene;
        struct feed_action read = read_of_11(&scene);
        scene_answer(&scene, &read, kinds[i], 11);
        read = scene_expect(&scene, FEED_READ);
        assert_true(read.from_leader);
        scene_reply(&scene, &read);
        scene_play(&scene);
        scene_delivered(&scene, 11, 12);
        assert_int_equal(scene.losses, 0);
        scene_end(&scene);
    }
}

static void a_copy_that_holds_another_event_there_is_not_believed(void **state)
{
    (void)state;
    struct scene scene;
    struct feed_action read = read_of_11(&scene);
    scene_answer(&scene, &read, FEED_FOUND, 7);
    read = scene_expect(&scene, FEED_READ);
    assert_true(read.from_leader);
    scene_reply(&scene, &read);
    scene_play(&scene);
    scene_delivered(&scene, 11, 12);
    scene_end(&scene);
}

static void an_event_that_the_leader_has_elsewhere_is_searched_for(void **state)
{
    (void)state;
    struct scene scene;
    struct feed_action read = read_of_11(&scene);
    scene_answer(&scene, &read, FEED_FOUND, 7);
    read = scene_expect(&scene, FEED_READ);
    scene_answer(&scene, &read, FEED_FOUND, 7);
    struct feed_action search = scene_expect(&scene, FEED_ASK_NEXT);
    assert_int_equal(search.stream_seq, 100); /* behind the one that was delivered last */
    scene_reply(&scene, &search);
    scene_play(&scene);
    scene_delivered(&scene, 11, 12);
    scene_end(&scene);
}

static void another_event_of_the_same_number_at_the_leader_is_a_conflict(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene.frame_bytes = 1000;
    scene.rules.max_bytes = 1500;
    scene_settle(&scene, 10);
    scene.may_read = 0;
    scene.last = 11;
    scene_live(&scene, 13); /* takes the place that there is */
    scene_live(&scene, 12); /* and gives way */
    scene_play(&scene);
    scene.may_read = 1;
    struct feed_event other = scene_event(&scene, 13);
    other.id_hash = 99;
    unsigned told = 0;
    scene.last = 13;
    for (unsigned i = 0; i < 20 && told == 0; i++) {
        struct feed_action action = scene_next(&scene);
        told += action.kind == FEED_LOST;
        if (action.kind == FEED_READ && action.ask.seq == 13)
            feed_on_read(&scene.feed, &scene.rules, action.ask, FEED_FOUND, &other, scene.now, 0);
        else if (action.kind == FEED_ASK_HEAD)
            feed_on_head(&scene.feed, &scene.rules, action.ask, FEED_FOUND, &other, scene.now, 0);
        else if (action.kind != FEED_DELIVER && action.kind != FEED_LOST && action.kind != FEED_NOTHING)
            scene_reply(&scene, &action);
    }
    assert_int_equal(told, 1);
    scene_drop(&other);
    scene_end(&scene);
}

/* --- what is gone --- */

static void what_has_expired_is_lost_and_the_rest_is_delivered(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene.last = 59;
    scene.first = 40;
    scene_store(&scene);
    scene_play(&scene);
    assert_int_equal(scene.losses, 1);
    assert_int_equal(scene.loss, FEED_LOSS_EXPIRED);
    assert_int_equal(scene.lost_at, 39);
    scene_delivered(&scene, 40, 60);
    scene_end(&scene);
}

static void what_has_expired_far_behind_is_lost_in_one_question(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene.rules.max_events = 100;
    scene_settle(&scene, 10);
    scene.last = 5000;
    scene.first = 4990;
    scene_live(&scene, 5000);
    scene_play(&scene);
    assert_int_equal(scene.losses, 1);
    assert_int_equal(scene.lost_at, 4989);
    scene_delivered(&scene, 4990, 5000);
    assert_in_range(scene.searches, 1, 3);
    scene_end(&scene);
}

static void that_nothing_follows_has_to_be_said_several_times(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene_live(&scene, 12); /* of which the stream knows nothing */
    scene_wait(&scene, 500);
    assert_int_equal(scene.losses, 0);
    assert_in_range(scene.searches, 2, 3);
    scene_wait(&scene, 1000);
    assert_int_equal(scene.losses, 1);
    assert_int_equal(scene.lost_at, 11);
    scene_delivered(&scene, 12, 12);
    scene_end(&scene);
}

static void a_leader_that_learns_better_meanwhile_loses_nothing(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene_live(&scene, 12);
    scene_wait(&scene, 500);
    scene.last = 12;
    scene_wait(&scene, 500);
    assert_int_equal(scene.losses, 0);
    scene_delivered(&scene, 11, 12);
    scene_end(&scene);
}

static void words_about_one_number_do_not_count_for_another(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene_live(&scene, 12);
    scene_wait(&scene, 500);
    scene_live(&scene, 11);
    scene_live(&scene, 14);
    scene_wait(&scene, 500);
    assert_int_equal(scene.losses, 0);
    scene_wait(&scene, 1000);
    assert_int_equal(scene.losses, 1);
    assert_int_equal(scene.lost_at, 13);
    scene_end(&scene);
}

static void a_message_that_cannot_be_read_is_lost_alone(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene.last = 14;
    scene_store(&scene);
    for (struct feed_action action; (action = scene_next(&scene)).kind != FEED_NOTHING;) {
        scene_note(&scene, &action);
        if (action.kind == FEED_READ && action.ask.seq == 13)
            scene_answer(&scene, &action, FEED_UNREADABLE, 13);
        else if (action.kind == FEED_READ)
            scene_reply(&scene, &action);
        if (action.kind == FEED_LOST)
            assert_int_equal(scene.delivered_count, 2);
    }
    assert_int_equal(scene.losses, 1);
    assert_int_equal(scene.lost_at, 13);
    assert_int_equal(scene.delivered_count, 4);
    assert_int_equal(scene.delivered[3], 15);
    scene_end(&scene);
}

static void an_event_that_comes_after_all_is_delivered(void **state)
{
    (void)state;
    struct scene scene;
    struct feed_action read = read_of_11(&scene);
    scene_live(&scene, 11); /* late, and before the answer */
    scene_play(&scene);
    scene_delivered(&scene, 11, 12);
    scene_answer(&scene, &read, FEED_NONE, 0);
    scene_play(&scene);
    assert_int_equal(scene.losses, 0);
    assert_int_equal(scene_reading(&scene), 0);
    scene_end(&scene);
}

/* --- nobody answers --- */

static void reads_that_nobody_answers_are_repeated_at_growing_intervals(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene.last = 11;
    scene_store(&scene);
    scene.is_down = true;
    scene_wait(&scene, 20000);
    assert_in_range(scene.reads, 10, 40);
    assert_in_range(scene.leader_reads, 5, 20); /* now from one, now from the other */
    scene.is_down = false;
    scene_wait(&scene, 2000);
    scene_delivered(&scene, 11, 12);
    assert_int_equal(scene.losses, 0);
    scene_end(&scene);
}

static void a_gap_that_cannot_be_repaired_is_given_up_in_time(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene.is_down = true;
    scene_live(&scene, 13);
    scene_live(&scene, 15);
    scene_wait(&scene, scene.rules.repair_timeout_ms - 1);
    assert_int_equal(scene.losses, 0);
    scene_wait(&scene, 1);
    assert_int_equal(scene.losses, 1);
    assert_int_equal(scene.loss, FEED_LOSS_TIMEOUT);
    assert_int_equal(scene.lost_at, 12);
    scene_delivered(&scene, 13, 13);
    scene_wait(&scene, scene.rules.repair_timeout_ms); /* each step forward gives new time */
    assert_int_equal(scene.losses, 2);
    scene_delivered(&scene, 15, 15);
    scene_end(&scene);
}

static void a_gap_is_not_given_up_while_the_owner_is_cut_off_nor_for_that_time(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    uint64_t patience_ms = scene.rules.repair_timeout_ms;
    scene.is_down = true;
    scene_live(&scene, 12);
    scene_wait(&scene, patience_ms / 2);
    scene.rules.is_cut_off = true;
    scene_wait(&scene, 3 * patience_ms);
    scene.rules.is_cut_off = false;
    feed_shift_gap(&scene.feed, 3 * patience_ms, scene.now);
    scene_wait(&scene, patience_ms / 2 - 1);
    assert_int_equal(scene.losses, 0);
    scene_wait(&scene, 1); /* what was before the cut counts */
    assert_int_equal(scene.losses, 1);
    scene_end(&scene);
}

static void a_gap_that_began_while_the_owner_was_cut_off_counts_from_its_end(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    feed_shift_gap(&scene.feed, 1000, scene.now); /* without a gap it changes nothing */
    scene.is_down = true;
    scene.rules.is_cut_off = true;
    scene_wait(&scene, 1000);
    scene_live(&scene, 12); /* was on its way */
    scene_wait(&scene, 1000);
    scene.rules.is_cut_off = false;
    feed_shift_gap(&scene.feed, 2000, scene.now);
    scene_wait(&scene, scene.rules.repair_timeout_ms - 1);
    assert_int_equal(scene.losses, 0);
    scene_wait(&scene, 1);
    assert_int_equal(scene.losses, 1);
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gap_is_read_through_the_trail),
        cmocka_unit_test(a_gap_longer_than_a_trail_is_read_from_trail_to_trail),
        cmocka_unit_test(no_more_than_some_reads_are_under_way),
        cmocka_unit_test(nothing_is_read_beyond_the_owners_allowance),
        cmocka_unit_test(without_trails_the_missing_events_are_searched_one_by_one),
        cmocka_unit_test(a_gap_wider_than_the_history_is_closed_from_below),
        cmocka_unit_test(a_wide_gap_without_an_end_in_the_stream_is_given_up),
        cmocka_unit_test(a_hundred_thousand_missing_events_take_as_many_reads),
        cmocka_unit_test(a_head_that_only_verification_shows_is_repaired_even_if_it_is_all_that_is_seen),
        cmocka_unit_test(what_a_copy_does_not_have_is_read_from_the_leader),
        cmocka_unit_test(a_copy_that_holds_another_event_there_is_not_believed),
        cmocka_unit_test(an_event_that_the_leader_has_elsewhere_is_searched_for),
        cmocka_unit_test(another_event_of_the_same_number_at_the_leader_is_a_conflict),
        cmocka_unit_test(what_has_expired_is_lost_and_the_rest_is_delivered),
        cmocka_unit_test(what_has_expired_far_behind_is_lost_in_one_question),
        cmocka_unit_test(that_nothing_follows_has_to_be_said_several_times),
        cmocka_unit_test(a_leader_that_learns_better_meanwhile_loses_nothing),
        cmocka_unit_test(words_about_one_number_do_not_count_for_another),
        cmocka_unit_test(a_message_that_cannot_be_read_is_lost_alone),
        cmocka_unit_test(an_event_that_comes_after_all_is_delivered),
        cmocka_unit_test(reads_that_nobody_answers_are_repeated_at_growing_intervals),
        cmocka_unit_test(a_gap_that_cannot_be_repaired_is_given_up_in_time),
        cmocka_unit_test(a_gap_is_not_given_up_while_the_owner_is_cut_off_nor_for_that_time),
        cmocka_unit_test(a_gap_that_began_while_the_owner_was_cut_off_counts_from_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
