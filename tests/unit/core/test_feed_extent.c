/* Rooms that were seen empty, and who leads the stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <feed_scene.h>

#define CREATED_S 1795618074u

/* The stream holds everything, of all rooms; nothing of this one. */
static void begin(struct scene *scene)
{
    scene_begin(scene);
    scene->extent =
        (struct feed_extent){.has_quorum = true, .first_seq = 1, .last_seq = 7, .created_s = CREATED_S};
    scene->rules.extent = &scene->extent;
    scene_play(scene);
}

static struct position empty_at(uint64_t last_seq)
{
    struct position position;
    position_format_empty(&(struct position_empty){CREATED_S, last_seq}, &position);
    return position;
}

static struct feed_waiter waiter_behind(const struct scene *scene, struct position since)
{
    return (struct feed_waiter){.has_since = true, .since = since, .deadline_ms = scene->now + 5000};
}

static void expect(struct scene *scene, struct feed_waiter *waiter, enum feed_verdict verdict)
{
    feed_wait(&scene->feed, &scene->rules, waiter, scene->now);
    scene_wait(scene, 5001);
    assert_int_equal(scene->answers, 1);
    assert_ptr_equal(scene->answered, waiter);
    assert_int_equal(scene->verdict, verdict);
    scene->answers = 0;
}

static void an_empty_room_tells_where_the_stream_stood_before_it_was_asked(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    struct feed_waiter waiter = {.deadline_ms = scene.now + 5000};
    expect(&scene, &waiter, FEED_AT_POSITION);
    assert_int_equal(scene.extents, 1);
    assert_int_equal(scene.heads, 2); /* once more, when it was known */
    struct position told = feed_told_position(&scene.feed), wanted = empty_at(7);
    assert_true(position_equal(&told, &wanted));
    scene_end(&scene);
}

static void who_asks_soon_after_asks_nothing_more(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    for (int i = 0; i < 100; i++) {
        struct feed_waiter waiter = {.deadline_ms = scene.now + 5000};
        feed_wait(&scene.feed, &scene.rules, &waiter, scene.now);
        scene_play(&scene);
        assert_int_equal(scene.verdict, FEED_AT_POSITION);
    }
    assert_int_equal(scene.answers, 100);
    assert_int_equal(scene.extents, 1);
    scene_end(&scene);
}

static void a_stream_that_says_nothing_keeps_nobody_out_of_an_empty_room(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    scene.is_extent_unknown = true;
    struct feed_waiter waiter = {.deadline_ms = scene.now + 5000};
    expect(&scene, &waiter, FEED_AT_POSITION);
    struct position told = feed_told_position(&scene.feed);
    assert_string_equal(told.epoch, EPOCH_EMPTY);
    scene_end(&scene);
}

static void who_saw_it_empty_is_given_everything_from_the_first_on(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    scene.last = 40; /* stored, never seen live */
    scene.extent.last_seq = 400;
    struct feed_waiter waiter = waiter_behind(&scene, empty_at(7));
    expect(&scene, &waiter, FEED_RECOVERED);
    assert_int_equal(waiter.since.seq, 0);
    struct replay *replay = feed_replay(&scene.feed, &waiter.since, UINT32_MAX, SIZE_MAX);
    assert_int_equal(replay->count, 40);
    replay_unref(&replay);
    scene_end(&scene);
}

static void what_may_have_come_and_gone_is_not_called_recovered(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    scene.last = 3;
    scene.extent.last_seq = 400;
    scene.extent.first_seq = 9; /* 8 has expired, and may have been ours */
    struct feed_waiter waiter = waiter_behind(&scene, empty_at(7));
    expect(&scene, &waiter, FEED_UNPROVEN);
    scene.extent.first_seq = 8;
    waiter = waiter_behind(&scene, empty_at(7));
    expect(&scene, &waiter, FEED_RECOVERED);
    scene_end(&scene);
}

static void an_emptiness_of_another_stream_or_without_a_place_proves_nothing(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    scene.last = 3;
    scene.extent.last_seq = 400;
    struct position elsewhere;
    position_format_empty(&(struct position_empty){CREATED_S + 1, 7}, &elsewhere);
    struct feed_waiter waiter = waiter_behind(&scene, elsewhere);
    expect(&scene, &waiter, FEED_UNPROVEN);
    waiter = waiter_behind(&scene, (struct position){.epoch = EPOCH_EMPTY});
    expect(&scene, &waiter, FEED_UNPROVEN);
    waiter = waiter_behind(&scene, empty_at(401)); /* beyond the stream's end */
    expect(&scene, &waiter, FEED_UNPROVEN);
    scene_end(&scene);
}

static void an_epoch_that_did_not_begin_in_an_empty_room_is_not_the_first_since(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    scene.extent.last_seq = 400;
    struct feed_event event = scene_event(&scene, 1);
    event.trail = (struct trail){.count = 1, .seqs = {9}}; /* something stood there before */
    struct feed_action ask;
    feed_suspect(&scene.feed, scene.now, 0);
    ask = scene_expect(&scene, FEED_ASK_HEAD);
    feed_on_head(&scene.feed, &scene.rules, ask.ask, FEED_FOUND, &event, scene.now, 0);
    scene_play(&scene);
    scene.last = 1;
    struct feed_waiter waiter = waiter_behind(&scene, empty_at(7));
    expect(&scene, &waiter, FEED_UNPROVEN);
    scene_drop(&event);
    scene_end(&scene);
}

static void without_a_quorum_nobody_is_sent_back(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    scene.last = 10;
    scene.extent.last_seq = 400;
    scene_wait(&scene, 20000);
    scene.extent.has_quorum = false;
    struct feed_waiter ahead = waiter_behind(&scene, (struct position){.epoch = "a", .seq = 12});
    expect(&scene, &ahead, FEED_TIMED_OUT);
    struct feed_waiter other = waiter_behind(&scene, (struct position){.epoch = "b", .seq = 2});
    expect(&scene, &other, FEED_TIMED_OUT);
    scene.extent.has_quorum = true;
    other = waiter_behind(&scene, (struct position){.epoch = "b", .seq = 2});
    expect(&scene, &other, FEED_UNPROVEN);
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_room_tells_where_the_stream_stood_before_it_was_asked),
        cmocka_unit_test(who_asks_soon_after_asks_nothing_more),
        cmocka_unit_test(a_stream_that_says_nothing_keeps_nobody_out_of_an_empty_room),
        cmocka_unit_test(who_saw_it_empty_is_given_everything_from_the_first_on),
        cmocka_unit_test(what_may_have_come_and_gone_is_not_called_recovered),
        cmocka_unit_test(an_emptiness_of_another_stream_or_without_a_place_proves_nothing),
        cmocka_unit_test(an_epoch_that_did_not_begin_in_an_empty_room_is_not_the_first_since),
        cmocka_unit_test(without_a_quorum_nobody_is_sent_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
