/* A feed for which memory runs out, at every allocation in turn: nothing is lost, doubled or leaked, and what
 * could not be kept is read again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feed_scene.h"

#include "failing_alloc.h"

#include "feed.c"
#include "history.c"
#include "replay.c"

/* Asked a little later when there was no memory to ask it with. */
static struct feed_action first_question(struct scene *scene)
{
    struct feed_action ask = scene_next(scene);
    if (ask.kind == FEED_NOTHING) {
        scene->now = feed_due(&scene->feed, &scene->rules);
        ask = scene_next(scene);
    }
    assert_int_equal(ask.kind, FEED_ASK_HEAD);
    return ask;
}

/* Events before and after the head's answer, a gap, a resume from further back, a replay. */
static void play(struct scene *scene, struct feed_waiter *waiter)
{
    scene->last = 60;
    struct feed_action ask = first_question(scene);
    scene_live(scene, 61);
    scene->last = 61;
    scene_answer(scene, &ask, FEED_FOUND, 60);
    scene_play(scene);
    scene->last = 89;
    scene_store(scene);
    scene_wait(scene, 3000);
    *waiter = (struct feed_waiter){
        .has_since = true, .since = {.epoch = "a", .seq = 20}, .deadline_ms = scene->now + 5000};
    feed_wait(&scene->feed, &scene->rules, waiter, scene->now);
    scene_wait(scene, 6000);
    scene_wait(scene, 2 * scene->rules.verify_every_ms); /* the last event may have been dropped */
}

static void look_at_the_end(struct scene *scene, const struct feed_waiter *waiter)
{
    assert_int_equal(scene->losses, 0);
    assert_int_equal(scene->answers, 1);
    assert_ptr_equal(scene->answered, waiter);
    scene_delivered(scene, 61, 90);
    struct replay *replay = scene_holds(&scene->feed, &waiter->since)
                                ? feed_replay(&scene->feed, &waiter->since, 1000, SIZE_MAX)
                                : NULL;
    if (replay) {
        assert_int_equal(scene->verdict, FEED_RECOVERED);
        assert_int_equal(replay->count, 70);
        for (uint32_t i = 0; i < replay->count; i++)
            assert_int_equal(scene_number(replay->frames[i]), 21 + i);
    }
    replay_unref(&replay);
}

static void a_feed_without_memory_goes_on_later(void **state)
{
    (void)state;
    size_t rounds = 0;
    bool has_failed = true;

    for (; has_failed; rounds++) {
        struct scene scene;
        struct feed_waiter waiter;
        size_t live = alloc_live;
        scene_begin(&scene);
        alloc_fail(rounds + 1);
        play(&scene, &waiter);
        look_at_the_end(&scene, &waiter);
        has_failed = alloc_failed;
        alloc_fail(0);
        scene_end(&scene);
        assert_int_equal(alloc_live, live);
    }
    assert_true(rounds >= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_feed_without_memory_goes_on_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
