#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feed_scene.h"

#define CROWD 10000u

static struct feed_waiter waiter_of(const struct scene *scene, const char *epoch, uint64_t seq)
{
    struct feed_waiter waiter = {.has_since = true, .deadline_ms = scene->now + 5000};
    snprintf(waiter.since.epoch, sizeof waiter.since.epoch, "%s", epoch);
    waiter.since.seq = seq;
    return waiter;
}

static void wait_for(struct scene *scene, struct feed_waiter *waiter)
{
    feed_wait(&scene->feed, &scene->rules, waiter, scene->now);
}

static void answered(struct scene *scene, struct feed_waiter *waiter, enum feed_verdict verdict)
{
    assert_int_equal(scene->answers, 1);
    assert_ptr_equal(scene->answered, waiter);
    assert_int_equal(scene->verdict, verdict);
    scene->answers = 0;
}

/* A client that resumes behind this number of epoch "a". */
static void resumes(struct scene *scene, uint64_t seq, enum feed_verdict verdict)
{
    struct feed_waiter waiter = waiter_of(scene, "a", seq);
    wait_for(scene, &waiter);
    scene_wait(scene, 3000);
    answered(scene, &waiter, verdict);
}

static void replays(struct scene *scene, uint64_t since, uint32_t max, uint64_t to)
{
    struct position position = {.epoch = "a", .seq = since};
    struct replay *replay = feed_replay(&scene->feed, &position, max, SIZE_MAX);
    size_t bytes = 0;
    assert_non_null(replay);
    assert_int_equal(replay->count, to - since);
    assert_int_equal(replay->first.seq, since + 1);
    for (uint32_t i = 0; i < replay->count; i++) {
        assert_int_equal(scene_number(replay->frames[i]), since + 1 + i);
        bytes += replay->frames[i]->len;
    }
    assert_int_equal(replay->bytes, bytes);
    replay_unref(&replay);
}

static void who_asks_without_a_position_is_told_where_the_room_stands(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    struct feed_waiter early = {.deadline_ms = scene.now + 5000}, late = early;
    wait_for(&scene, &early);
    scene_settle(&scene, 10);
    answered(&scene, &early, FEED_AT_POSITION);
    wait_for(&scene, &late);
    scene_play(&scene);
    answered(&scene, &late, FEED_AT_POSITION);
    assert_int_equal(scene.heads, 1);
    scene_end(&scene);
}

static void whoever_has_everything_is_recovered(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    resumes(&scene, 10, FEED_RECOVERED);
    replays(&scene, 10, 100, 10);
    scene_end(&scene);
}

static void what_is_held_is_replayed_without_a_read(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    for (int i = 0; i < 20; i++)
        scene_store(&scene);
    resumes(&scene, 12, FEED_RECOVERED);
    replays(&scene, 12, 1000, 30);
    replays(&scene, 12, 5, 17); /* a page */
    struct position position = {.epoch = "a", .seq = 12};
    struct replay *small =
        feed_replay(&scene.feed, &position, 5, 1); /* in bytes: never none, and no second */
    assert_int_equal(small->count, 1);
    replay_unref(&small);
    assert_int_equal(scene.reads + scene.searches, 0);
    scene_end(&scene);
}

static void what_is_not_held_is_read_along_the_trail_of_what_is(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 500);
    resumes(&scene, 100, FEED_RECOVERED);
    replays(&scene, 100, 1000, 500);
    assert_int_equal(scene.reads, 399); /* the head's answer had the last one */
    assert_int_equal(scene.searches, 0);
    assert_int_equal(scene.delivered_count, 0);
    scene_end(&scene);
}

static void without_trails_it_is_searched_for(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene.has_no_trails = true;
    scene_settle(&scene, 50);
    resumes(&scene, 20, FEED_RECOVERED);
    replays(&scene, 20, 1000, 50);
    scene_end(&scene);
}

static void what_has_expired_proves_nothing(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 100);
    scene.first = 60;
    resumes(&scene, 40, FEED_UNPROVEN);
    resumes(&scene, 58, FEED_UNPROVEN);
    resumes(&scene, 59, FEED_RECOVERED); /* of what is left, everything */
    replays(&scene, 59, 1000, 100);
    assert_int_equal(scene.losses, 0); /* who is live has had it */
    scene_end(&scene);
}

static void a_position_of_another_epoch_proves_nothing(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    struct feed_waiter waiter = waiter_of(&scene, "b", 10);
    wait_for(&scene, &waiter);
    scene_play(&scene);
    answered(&scene, &waiter, FEED_UNPROVEN);
    scene_end(&scene);
}

static void a_position_before_the_leaders_is_asked_for_again_before_it_is_refused(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    resumes(&scene, 11, FEED_UNPROVEN);
    assert_in_range(scene.heads, 3, 5);
    struct feed_waiter waiter = waiter_of(&scene, "a", 12);
    wait_for(&scene, &waiter);
    scene_wait(&scene, 250);
    assert_int_equal(scene.answers, 0);
    scene.last = 12; /* the right leader answers */
    scene_wait(&scene, 300);
    answered(&scene, &waiter, FEED_RECOVERED);
    scene_delivered(&scene, 11, 12);
    scene_end(&scene);
}

static void too_long_ago_is_not_read_back(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene.rules.max_events = 100;
    scene_settle(&scene, 500);
    resumes(&scene, 399, FEED_UNPROVEN);
    assert_int_equal(scene.reads + scene.searches, 0);
    resumes(&scene, 400, FEED_RECOVERED);
    replays(&scene, 400, 1000, 500);
    scene_end(&scene);
}

static void too_many_bytes_are_not_read_back(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene.frame_bytes = 1000;
    scene.rules.max_bytes = 20 * 1000;
    scene_settle(&scene, 500);
    resumes(&scene, 400, FEED_UNPROVEN);
    assert_true(scene.reads <= 60);
    assert_true(scene.feed.history.bytes <= scene.rules.max_bytes);
    resumes(&scene, 490, FEED_RECOVERED);
    scene_end(&scene);
}

static void an_old_word_of_the_leader_is_not_enough_to_resume(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene.now += scene.rules.fresh_ms + 1;
    scene.last = 12; /* stored, never seen */
    resumes(&scene, 10, FEED_RECOVERED);
    assert_int_equal(scene.heads, 2);
    replays(&scene, 10, 100, 12);
    scene_end(&scene);
}

static void a_word_of_before_a_trouble_is_not_enough_for_anybody(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    feed_suspect(&scene.feed, scene.now, 200);
    scene_wait(&scene, 199);
    assert_int_equal(scene.heads, 1); /* nobody waits for it */
    struct feed_waiter waiter = {.deadline_ms = scene.now + 5000};
    wait_for(&scene, &waiter);
    scene_play(&scene);
    assert_int_equal(scene.heads, 2); /* now somebody does */
    answered(&scene, &waiter, FEED_AT_POSITION);
    scene_end(&scene);
}

static void ten_thousand_who_come_at_once_cost_one_question(void **state)
{
    (void)state;
    struct scene scene;
    struct feed_waiter *crowd = calloc(CROWD, sizeof *crowd);
    scene_begin(&scene);
    scene_settle(&scene, 1000);
    scene.now += 1000;
    for (unsigned i = 0; i < CROWD; i++) {
        crowd[i] = waiter_of(&scene, "a", 100 + i % 900);
        wait_for(&scene, &crowd[i]);
        if (i == 0)
            assert_int_equal(scene_expect(&scene, FEED_ASK_HEAD).kind, FEED_ASK_HEAD);
        else
            scene_expect(&scene, FEED_NOTHING);
    }
    struct feed_action ask = {.kind = FEED_ASK_HEAD, .ask = {.id = scene.feed.work->head.ask_id}};
    scene_reply(&scene, &ask);
    scene_play(&scene);
    assert_int_equal(scene.answers, CROWD);
    assert_int_equal(scene.heads, 1); /* that of the beginning */
    assert_int_equal(scene.reads, 899);
    assert_int_equal(scene.searches, 0);
    scene_end(&scene);
    free(crowd);
}

static void ten_thousand_who_have_missed_more_and_more_are_served_by_the_same_reads(void **state)
{
    (void)state;
    struct scene scene;
    struct feed_waiter *crowd = calloc(CROWD, sizeof *crowd);
    scene_begin(&scene);
    scene.rules.max_events = 2 * CROWD;
    scene.rules.max_bytes = SIZE_MAX;
    scene_settle(&scene, CROWD);
    for (unsigned i = 0; i < CROWD; i++) {
        crowd[i] = waiter_of(&scene, "a", i);
        wait_for(&scene, &crowd[i]);
    }
    scene_play(&scene);
    assert_int_equal(scene.answers, CROWD);
    assert_int_equal(scene.reads, CROWD - 1);
    assert_int_equal(scene.searches, 0);
    scene_end(&scene);
    free(crowd);
}

static void ten_thousand_from_the_future_cost_a_handful(void **state)
{
    (void)state;
    struct scene scene;
    struct feed_waiter *crowd = calloc(CROWD, sizeof *crowd);
    scene_begin(&scene);
    scene_settle(&scene, 1000);
    for (unsigned i = 0; i < CROWD; i++) {
        crowd[i] = waiter_of(&scene, "a", 1001 + i % 7);
        wait_for(&scene, &crowd[i]);
        scene_play(&scene);
    }
    scene_wait(&scene, 3000);
    assert_int_equal(scene.answers, CROWD);
    assert_in_range(scene.heads, 3, 6);
    scene_end(&scene);
    free(crowd);
}

static void everyone_is_answered_in_their_own_time(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene.is_down = true;
    feed_suspect(&scene.feed, scene.now, 0);
    struct feed_waiter patient = waiter_of(&scene, "a", 10), hasty = patient;
    patient.deadline_ms = scene.now + 9000;
    hasty.deadline_ms = scene.now + 700;
    wait_for(&scene, &patient);
    wait_for(&scene, &hasty);
    scene_wait(&scene, 699);
    assert_int_equal(scene.answers, 0);
    scene_wait(&scene, 1);
    answered(&scene, &hasty, FEED_TIMED_OUT);
    scene.is_down = false;
    scene_wait(&scene, 3000);
    answered(&scene, &patient, FEED_RECOVERED);
    scene_end(&scene);
}

static void who_has_waited_in_vain_leaves_no_reads_behind(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 100);
    scene.is_down = true;
    struct feed_waiter waiter = waiter_of(&scene, "a", 50);
    wait_for(&scene, &waiter);
    scene_wait(&scene, 5000);
    answered(&scene, &waiter, FEED_TIMED_OUT);
    assert_int_equal(scene.feed.work ? scene.feed.work->wanted_from : 0, 0);
    unsigned reads = scene.reads;
    scene.is_down = false;
    scene_wait(&scene, 5000);
    assert_int_equal(scene.reads, reads);
    scene_end(&scene);
}

static void a_resume_waits_until_a_gap_is_closed(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene.may_read = 0;
    scene_live(&scene, 12);
    struct feed_waiter waiter = waiter_of(&scene, "a", 10);
    wait_for(&scene, &waiter);
    scene_play(&scene);
    assert_int_equal(scene.answers, 0);
    scene_live(&scene, 11);
    scene_play(&scene);
    answered(&scene, &waiter, FEED_RECOVERED);
    replays(&scene, 10, 100, 12);
    scene_end(&scene);
}

static void who_catches_up_is_content_with_what_the_feed_has_delivered(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    for (int i = 0; i < 10; i++)
        scene_store(&scene);
    scene_play(&scene);
    feed_suspect(&scene.feed, scene.now, 1000); /* no word, */
    scene.may_read = 0;
    scene_live(&scene, 25); /* and a gap */
    struct feed_waiter waiter = waiter_of(&scene, "a", 15);
    waiter.is_catching_up = true;
    wait_for(&scene, &waiter);
    scene_play(&scene);
    answered(&scene, &waiter, FEED_RECOVERED);
    replays(&scene, 15, 3, 18);
    replays(&scene, 15, 128, 20);
    scene_end(&scene);
}

static void whoever_falls_too_far_behind_while_waiting_is_told_at_once(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene.rules.max_events = 20;
    scene_settle(&scene, 100);
    struct feed_waiter waiter = waiter_of(&scene, "a", 85);
    wait_for(&scene, &waiter);
    struct feed_action read = scene_expect(&scene, FEED_READ);
    scene.may_read = 0;
    for (int i = 0; i < 6; i++) {
        assert_int_equal(scene.answers, 0);
        scene_store(&scene);
        scene_play(&scene);
    }
    answered(&scene, &waiter, FEED_UNPROVEN);
    scene_reply(&scene, &read); /* nobody wants it any more */
    scene_play(&scene);
    assert_true(scene.feed.history.count <= 20 + TRAIL_MAX);
    scene_end(&scene);
}

static void what_somebody_waits_for_is_not_taken_away(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene.rules.max_events = 40;
    scene_settle(&scene, 100);
    struct feed_waiter waiter = waiter_of(&scene, "a", 80);
    wait_for(&scene, &waiter);
    struct feed_action reads[64];
    unsigned count = 0;
    while ((reads[count] = scene_next(&scene)).kind == FEED_READ)
        count++;
    scene_answer(&scene, &reads[0], FEED_FOUND, 99);
    assert_false(feed_evict(&scene.feed));
    for (int i = 0; i < 15; i++) /* the room goes on meanwhile */
        scene_store(&scene);
    scene_play(&scene);
    for (unsigned i = 1; i < count; i++)
        scene_reply(&scene, &reads[i]);
    scene_play(&scene);
    answered(&scene, &waiter, FEED_RECOVERED);
    replays(&scene, 80, 100, 115);
    assert_true(feed_evict(&scene.feed));
    scene_end(&scene);
}

static void a_verdict_is_looked_at_again_when_the_room_has_changed_since(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    feed_suspect(&scene.feed, scene.now, 0);
    struct feed_action ask = scene_expect(&scene, FEED_ASK_HEAD);
    struct feed_waiter waiter = waiter_of(&scene, "a", 10);
    waiter.is_catching_up = true;
    wait_for(&scene, &waiter);
    scene.epoch = "b"; /* before anybody takes the answer */
    scene_answer(&scene, &ask, FEED_FOUND, 50);
    scene_play(&scene);
    answered(&scene, &waiter, FEED_UNPROVEN);
    assert_int_equal(scene.losses, 1);
    scene_end(&scene);
}

static void whoever_waits_at_the_end_is_given_back(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    struct feed_waiter one = waiter_of(&scene, "a", 10), two = one, three = one;
    wait_for(&scene, &one);
    scene_settle(&scene, 10); /* answers the first */
    wait_for(&scene, &two);   /* has an answer */
    scene.now += 1000;
    wait_for(&scene, &three); /* has none */
    struct feed_waiter *left = feed_fini(&scene.feed);
    assert_ptr_equal(left, &two);
    assert_ptr_equal(left->next, &three);
    assert_null(left->next->next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_asks_without_a_position_is_told_where_the_room_stands),
        cmocka_unit_test(whoever_has_everything_is_recovered),
        cmocka_unit_test(what_is_held_is_replayed_without_a_read),
        cmocka_unit_test(what_is_not_held_is_read_along_the_trail_of_what_is),
        cmocka_unit_test(without_trails_it_is_searched_for),
        cmocka_unit_test(what_has_expired_proves_nothing),
        cmocka_unit_test(a_position_of_another_epoch_proves_nothing),
        cmocka_unit_test(a_position_before_the_leaders_is_asked_for_again_before_it_is_refused),
        cmocka_unit_test(too_long_ago_is_not_read_back),
        cmocka_unit_test(too_many_bytes_are_not_read_back),
        cmocka_unit_test(an_old_word_of_the_leader_is_not_enough_to_resume),
        cmocka_unit_test(a_word_of_before_a_trouble_is_not_enough_for_anybody),
        cmocka_unit_test(ten_thousand_who_come_at_once_cost_one_question),
        cmocka_unit_test(ten_thousand_who_have_missed_more_and_more_are_served_by_the_same_reads),
        cmocka_unit_test(ten_thousand_from_the_future_cost_a_handful),
        cmocka_unit_test(everyone_is_answered_in_their_own_time),
        cmocka_unit_test(who_has_waited_in_vain_leaves_no_reads_behind),
        cmocka_unit_test(a_resume_waits_until_a_gap_is_closed),
        cmocka_unit_test(who_catches_up_is_content_with_what_the_feed_has_delivered),
        cmocka_unit_test(whoever_falls_too_far_behind_while_waiting_is_told_at_once),
        cmocka_unit_test(what_somebody_waits_for_is_not_taken_away),
        cmocka_unit_test(a_verdict_is_looked_at_again_when_the_room_has_changed_since),
        cmocka_unit_test(whoever_waits_at_the_end_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
