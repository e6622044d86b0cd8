#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feed_scene.h"

/* An event of epoch "b", at a place of its own, with this trail. */
static enum feed_offer live_b(struct scene *scene, uint64_t seq, uint64_t stream_seq, struct trail trail)
{
    scene->epoch = "b";
    struct feed_event event = scene_event(scene, seq);
    event.stream_seq = stream_seq;
    event.trail = trail;
    event.id_hash = 1000 + seq;
    enum feed_offer offer = feed_on_live(&scene->feed, &scene->rules, &event, scene->now);
    scene_drop(&event);
    return offer;
}

static void head_b(struct scene *scene, struct feed_action ask, uint64_t seq, uint64_t stream_seq)
{
    scene->epoch = "b";
    struct feed_event event = scene_event(scene, seq);
    event.stream_seq = stream_seq;
    event.trail.count = 0;
    event.id_hash = 1000 + seq;
    feed_on_head(&scene->feed, &scene->rules, ask.ask, FEED_FOUND, &event, scene->now, 0);
    assert_true(feed_is_valid(&scene->feed));
    scene_drop(&event);
}

static bool is_at(const struct scene *scene, const char *epoch, uint64_t seq)
{
    return strcmp(scene->feed.position.epoch, epoch) == 0 && scene->feed.position.seq == seq;
}

/* In a room whose events have all expired, as far as the time goes. */
static void grow_old(struct scene *scene)
{
    scene_wait(scene, 3 * scene->rules.verify_every_ms);
}

static void a_new_epoch_follows_on_when_its_trail_leads_to_our_last_event(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    assert_int_equal(live_b(&scene, 1, 105, (struct trail){.count = 2, .seqs = {100, 90}}), FEED_TAKEN);
    scene_expect(&scene, FEED_DELIVER);
    assert_true(is_at(&scene, "b", 1));
    assert_int_equal(scene.losses, 0);
    scene_end(&scene);
}

static void its_third_event_shows_it_as_well_and_the_first_two_are_read(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    assert_int_equal(live_b(&scene, 3, 130, (struct trail){.count = 4, .seqs = {120, 110, 100, 90}}),
                     FEED_GAP);
    struct feed_action first = scene_expect(&scene, FEED_READ);
    struct feed_action second = scene_expect(&scene, FEED_READ);
    assert_int_equal(first.stream_seq, 110);
    assert_int_equal(second.stream_seq, 120);
    scene_end(&scene);
}

static void it_does_not_follow_on_behind_an_event_that_we_missed(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    assert_int_equal(live_b(&scene, 1, 120, (struct trail){.count = 2, .seqs = {110, 100}}), FEED_DROPPED);
    struct feed_action ask = scene_expect(&scene, FEED_ASK_HEAD);
    head_b(&scene, ask, 1, 120);
    scene_expect(&scene, FEED_LOST);
    assert_true(is_at(&scene, "b", 1));
    assert_int_equal(live_b(&scene, 2, 130, (struct trail){.count = 1, .seqs = {120}}), FEED_TAKEN);
    scene_expect(&scene, FEED_DELIVER);
    scene_end(&scene);
}

static void a_room_that_has_expired_goes_on_without_a_loss(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene.first = 11; /* all has expired */
    grow_old(&scene);
    assert_int_equal(live_b(&scene, 1, 500, (struct trail){.count = 0}), FEED_TAKEN);
    scene_expect(&scene, FEED_DELIVER);
    assert_true(is_at(&scene, "b", 1));
    scene_end(&scene);
}

static void an_event_that_is_too_young_to_have_expired_was_taken_away(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    assert_int_equal(live_b(&scene, 1, 500, (struct trail){.count = 0}), FEED_DROPPED);
    scene_end(&scene);
}

static void a_room_that_nobody_asked_for_long_may_have_had_other_events(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene.is_down = true;
    grow_old(&scene);
    scene.is_down = false;
    scene.first = 11; /* it says "empty" now; since when? */
    scene_wait(&scene, scene.rules.verify_every_ms);
    assert_int_equal(live_b(&scene, 1, 500, (struct trail){.count = 0}), FEED_DROPPED);
    scene_end(&scene);
}

static void a_stream_that_was_made_anew_does_not_follow_on(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene.first = 11;
    grow_old(&scene);
    assert_int_equal(live_b(&scene, 1, 3, (struct trail){.count = 0}), FEED_DROPPED);
    scene_end(&scene);
}

static void an_empty_room_takes_its_first_events_even_if_only_the_twentieth_is_seen(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_play(&scene);
    scene.last = 20;
    scene_live(&scene, 20);
    scene_play(&scene);
    scene_delivered(&scene, 1, 20);
    assert_int_equal(scene.losses, 0);
    scene_end(&scene);
}

static void an_event_of_a_new_epoch_is_not_forgotten_while_a_question_is_under_way(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    feed_suspect(&scene.feed, scene.now, 0);
    struct feed_action ask = scene_expect(&scene, FEED_ASK_HEAD);
    live_b(&scene, 2, 130, (struct trail){.count = 2, .seqs = {120, 110}});
    scene.epoch = "a";
    scene_answer(&scene, &ask, FEED_FOUND, 10); /* of before */
    scene.now++;
    ask = scene_expect(&scene, FEED_ASK_HEAD);
    head_b(&scene, ask, 2, 130);
    scene_expect(&scene, FEED_LOST);
    assert_true(is_at(&scene, "b", 2));
    scene_end(&scene);
}

static void a_new_epoch_that_came_before_the_answer_of_the_old_one_is_asked_for(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    struct feed_action ask = scene_expect(&scene, FEED_ASK_HEAD);
    live_b(&scene, 1, 110, (struct trail){.count = 1, .seqs = {100}});
    scene.epoch = "a";
    scene_answer(&scene, &ask, FEED_FOUND, 10);
    assert_false(scene.feed.is_verified);
    scene_expect(&scene, FEED_NOTHING);
    scene.now += 1000;
    ask = scene_expect(&scene, FEED_ASK_HEAD);
    scene.epoch = "b";
    struct feed_event event = scene_event(&scene, 1);
    event.stream_seq = 110;
    event.trail = (struct trail){.count = 1, .seqs = {100}};
    feed_on_head(&scene.feed, &scene.rules, ask.ask, FEED_FOUND, &event, scene.now, 0);
    scene_drop(&event);
    scene_expect(&scene, FEED_DELIVER);
    assert_true(is_at(&scene, "b", 1));
    scene_end(&scene);
}

static void a_deposed_leader_does_not_lead_back_to_the_epoch_before(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    live_b(&scene, 1, 105, (struct trail){.count = 1, .seqs = {100}});
    scene_expect(&scene, FEED_DELIVER);
    feed_suspect(&scene.feed, scene.now, 0);
    struct feed_action ask = scene_expect(&scene, FEED_ASK_HEAD);
    scene.epoch = "a";
    scene_answer(&scene, &ask, FEED_FOUND, 10);
    scene_expect(&scene, FEED_NOTHING);
    assert_true(is_at(&scene, "b", 1));
    scene.now += 1000;
    ask = scene_expect(&scene, FEED_ASK_HEAD);
    head_b(&scene, ask, 1, 105);
    assert_true(scene.feed.is_verified);
    scene_end(&scene);
}

/* --- other events under known numbers --- */

static void another_event_under_a_known_number_stops_the_room_until_the_leader_decides(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    scene_store(&scene);
    scene_play(&scene);
    struct feed_event other = scene_event(&scene, 11);
    other.id_hash = 99;
    other.stream_seq = 115;
    assert_int_equal(feed_on_live(&scene.feed, &scene.rules, &other, scene.now), FEED_DROPPED);
    scene_live(&scene, 12);
    struct feed_action ask = scene_expect(&scene, FEED_ASK_HEAD); /* and no delivery */
    feed_on_head(&scene.feed, &scene.rules, ask.ask, FEED_FOUND, &other, scene.now, 0);
    struct feed_action lost = scene_expect(&scene, FEED_LOST);
    assert_int_equal(lost.loss, FEED_LOSS_CONFLICT);
    assert_true(is_at(&scene, "a", 11));
    assert_false(scene_holds(&scene.feed, &(struct position){.epoch = "a", .seq = 10}));
    scene.now += 1000;
    scene_expect(&scene, FEED_ASK_HEAD); /* 12 was seen, and is read again */
    scene_drop(&other);
    scene_end(&scene);
}

static void the_head_shows_it_too(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    feed_suspect(&scene.feed, scene.now, 0);
    struct feed_action ask = scene_expect(&scene, FEED_ASK_HEAD);
    struct feed_event other = scene_event(&scene, 10);
    other.id_hash = 99;
    feed_on_head(&scene.feed, &scene.rules, ask.ask, FEED_FOUND, &other, scene.now, 0);
    assert_int_equal(scene_expect(&scene, FEED_LOST).loss, FEED_LOSS_CONFLICT);
    scene_drop(&other);
    scene_end(&scene);
}

static void an_event_that_does_not_stand_behind_the_one_we_have_shows_it(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 10);
    struct feed_event next = scene_event(&scene, 11);
    next.trail = (struct trail){.count = 1, .seqs = {103}}; /* 10 was given twice */
    feed_on_live(&scene.feed, &scene.rules, &next, scene.now);
    struct feed_action ask = scene_expect(&scene, FEED_ASK_HEAD);
    feed_on_head(&scene.feed, &scene.rules, ask.ask, FEED_FOUND, &next, scene.now, 0);
    assert_int_equal(scene_expect(&scene, FEED_LOST).loss, FEED_LOSS_CONFLICT);
    assert_true(is_at(&scene, "a", 11));
    scene_drop(&next);
    scene_end(&scene);
}

static void a_number_before_ours_at_a_place_behind_ours_shows_it(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene_settle(&scene, 1000);
    struct feed_event low = scene_event(&scene, 900); /* nothing is remembered of that */
    low.stream_seq = 10001;
    assert_int_equal(feed_on_live(&scene.feed, &scene.rules, &low, scene.now), FEED_DROPPED);
    struct feed_action ask = scene_expect(&scene, FEED_ASK_HEAD);
    feed_on_head(&scene.feed, &scene.rules, ask.ask, FEED_FOUND, &low, scene.now, 0);
    scene_expect(&scene, FEED_LOST);
    assert_true(is_at(&scene, "a", 900));
    scene_drop(&low);
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_epoch_follows_on_when_its_trail_leads_to_our_last_event),
        cmocka_unit_test(its_third_event_shows_it_as_well_and_the_first_two_are_read),
        cmocka_unit_test(it_does_not_follow_on_behind_an_event_that_we_missed),
        cmocka_unit_test(a_room_that_has_expired_goes_on_without_a_loss),
        cmocka_unit_test(an_event_that_is_too_young_to_have_expired_was_taken_away),
        cmocka_unit_test(a_room_that_nobody_asked_for_long_may_have_had_other_events),
        cmocka_unit_test(a_stream_that_was_made_anew_does_not_follow_on),
        cmocka_unit_test(an_empty_room_takes_its_first_events_even_if_only_the_twentieth_is_seen),
        cmocka_unit_test(an_event_of_a_new_epoch_is_not_forgotten_while_a_question_is_under_way),
        cmocka_unit_test(a_new_epoch_that_came_before_the_answer_of_the_old_one_is_asked_for),
        cmocka_unit_test(a_deposed_leader_does_not_lead_back_to_the_epoch_before),
        cmocka_unit_test(another_event_under_a_known_number_stops_the_room_until_the_leader_decides),
        cmocka_unit_test(the_head_shows_it_too),
        cmocka_unit_test(an_event_that_does_not_stand_behind_the_one_we_have_shows_it),
        cmocka_unit_test(a_number_before_ours_at_a_place_behind_ours_shows_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
