/* A feed, and a stream that holds the events `first` to `last` of one room, each at ten times its number: for
 * the tests of the feed. scene_play() takes all actions, answers the questions at once, and notes what
 * happened. */
#ifndef ROOMCAST_TESTS_FEED_SCENE_H
#define ROOMCAST_TESTS_FEED_SCENE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/core/feed.h>

#define SCENE_START_MS 100000u
#define SCENE_NOTED    4096u

struct scene {
    struct feed feed;
    struct feed_rules rules;
    uint64_t now;
    /* the stream */
    const char *epoch;
    uint64_t first, last;
    bool has_no_trails, is_down;
    struct feed_extent extent; /* as it is; asked_ms is noted. rules.extent points there in the tests of it */
    bool is_extent_unknown;
    unsigned may_read;
    size_t frame_bytes;
    /* what happened */
    uint64_t delivered[SCENE_NOTED], lost_at;
    unsigned extents;
    unsigned delivered_count, losses, heads, reads, leader_reads, searches, answers;
    unsigned reading_max;
    enum feed_loss loss;
    struct feed_waiter *answered; /* the last one */
    enum feed_verdict verdict;
};

__attribute__((unused)) static void scene_begin(struct scene *scene)
{
    *scene = (struct scene){
        .rules = {.max_events = 1000,
                  .max_bytes = 1 << 20,
                  .fresh_ms = 100,
                  .verify_every_ms = 10000,
                  .repair_timeout_ms = 30000},
        .now = SCENE_START_MS,
        .epoch = "a",
        .first = 1,
        .may_read = 1000,
    };
    feed_init(&scene->feed, scene->now);
}

__attribute__((unused)) static void scene_end(struct scene *scene)
{
    assert_null(feed_fini(&scene->feed));
}

/* The event, with a frame of its own: scene_drop() it. */
__attribute__((unused)) static struct feed_event scene_event(const struct scene *scene, uint64_t seq)
{
    struct feed_event event = {.stream_seq = 10 * seq, .id_hash = seq};
    char text[2000] = {0};

    snprintf(event.position.epoch, sizeof event.position.epoch, "%s", scene->epoch);
    event.position.seq = seq;
    for (uint64_t before = seq - 1; before > 0 && event.trail.count < TRAIL_MAX && !scene->has_no_trails;
         before--)
        event.trail.seqs[event.trail.count++] = 10 * before;
    snprintf(text, sizeof text, "%llu", (unsigned long long)seq);
    size_t len = scene->frame_bytes > 30 ? scene->frame_bytes : 30;
    event.frame = frame_new(FRAME_TEXT, (struct slice){text, len});
    assert_non_null(event.frame);
    return event;
}

__attribute__((unused)) static void scene_drop(struct feed_event *event)
{
    frame_unref(&event->frame);
}

__attribute__((unused)) static uint64_t scene_number(const struct frame *frame)
{
    return strtoull(frame_payload(frame).data, NULL, 10);
}

/* It arrives live, without a look at what the stream holds. */
__attribute__((unused)) static enum feed_offer scene_live(struct scene *scene, uint64_t seq)
{
    struct feed_event event = scene_event(scene, seq);
    enum feed_offer offer = feed_on_live(&scene->feed, &scene->rules, &event, scene->now);

    assert_true(feed_is_valid(&scene->feed));
    scene_drop(&event);
    return offer;
}

/* Stored, and seen live. */
__attribute__((unused)) static enum feed_offer scene_store(struct scene *scene)
{
    return scene_live(scene, ++scene->last);
}

/* `seq` 0: no event. */
__attribute__((unused)) static void scene_answer(struct scene *scene, const struct feed_action *action,
                                                 enum feed_answer_kind kind, uint64_t seq)
{
    struct feed_event event = {.stream_seq = 10 * seq};

    if (kind == FEED_FOUND)
        event = scene_event(scene, seq);
    if (action->kind == FEED_ASK_HEAD)
        feed_on_head(&scene->feed, &scene->rules, action->ask, kind, &event, scene->now, 0);
    else if (action->kind == FEED_READ)
        feed_on_read(&scene->feed, &scene->rules, action->ask, kind, &event, scene->now, 0);
    else
        feed_on_next(&scene->feed, &scene->rules, action->ask, kind, &event, scene->now, 0);
    assert_true(feed_is_valid(&scene->feed));
    scene_drop(&event);
}

/* What the stream says to a question. */
__attribute__((unused)) static uint64_t scene_truth(const struct scene *scene,
                                                    const struct feed_action *action)
{
    uint64_t seq = scene->last;

    if (action->kind == FEED_READ)
        seq = action->stream_seq / 10;
    else if (action->kind == FEED_ASK_NEXT)
        seq = action->stream_seq / 10 + 1 > scene->first ? action->stream_seq / 10 + 1 : scene->first;
    return seq >= scene->first && seq <= scene->last ? seq : 0;
}

__attribute__((unused)) static void scene_reply(struct scene *scene, const struct feed_action *action)
{
    uint64_t seq = scene_truth(scene, action);

    scene_answer(scene, action, scene->is_down ? FEED_UNAVAILABLE : seq ? FEED_FOUND : FEED_NONE, seq);
}

__attribute__((unused)) static struct feed_action scene_next(struct scene *scene)
{
    return feed_next(&scene->feed, &scene->rules, scene->now, scene->may_read);
}

__attribute__((unused)) static struct feed_action scene_expect(struct scene *scene,
                                                               enum feed_action_kind kind)
{
    struct feed_action action = scene_next(scene);

    assert_int_equal(action.kind, kind);
    return action;
}

/* Who is at `since` can be given everything up to the position from memory. */
__attribute__((unused)) static bool scene_holds(const struct feed *feed, const struct position *since)
{
    return strcmp(since->epoch, feed->position.epoch) == 0 && since->seq <= feed->position.seq &&
           (since->seq == feed->position.seq || feed->held_from <= since->seq + 1);
}

__attribute__((unused)) static void scene_note(struct scene *scene, const struct feed_action *action)
{
    switch (action->kind) {
    case FEED_NOTHING:
    case FEED_ASK_EXTENT:
        break;
    case FEED_ASK_HEAD:
        scene->heads++;
        break;
    case FEED_READ:
        scene->reads++;
        scene->leader_reads += action->from_leader;
        break;
    case FEED_ASK_NEXT:
        scene->searches++;
        break;
    case FEED_DELIVER:
        assert_int_equal(scene_number(action->frame), scene->feed.position.seq);
        assert_true(scene->delivered_count < SCENE_NOTED);
        scene->delivered[scene->delivered_count++] = scene->feed.position.seq;
        break;
    case FEED_LOST:
        scene->losses++;
        scene->loss = action->loss;
        scene->lost_at = scene->feed.position.seq;
        break;
    case FEED_ANSWER:
        scene->answers++;
        scene->answered = action->waiter;
        scene->verdict = action->verdict;
        break;
    }
}

__attribute__((unused)) static unsigned scene_reading(const struct scene *scene)
{
    return scene->feed.work ? scene->feed.work->reading : 0;
}

__attribute__((unused)) static void scene_play(struct scene *scene)
{
    for (;;) {
        struct feed_action action = scene_next(scene);
        scene_note(scene, &action);
        if (action.kind == FEED_NOTHING)
            break;
        if (scene_reading(scene) > scene->reading_max)
            scene->reading_max = scene_reading(scene);
        if (action.kind == FEED_ASK_HEAD || action.kind == FEED_READ || action.kind == FEED_ASK_NEXT)
            scene_reply(scene, &action);
        if (action.kind == FEED_ASK_EXTENT) {
            scene->extents++;
            scene->extent.asked_ms = scene->now;
            scene->extent.is_known = !scene->is_extent_unknown;
            feed_on_extent(&scene->feed, &scene->rules, scene->now);
        }
    }
    uint64_t due_ms = feed_due(&scene->feed, &scene->rules);
    assert_true(due_ms == 0 || due_ms > scene->now);
}

/* Time passes, from one thing that is due to the next. */
__attribute__((unused)) static void scene_wait(struct scene *scene, uint64_t ms)
{
    uint64_t end = scene->now + ms, due_ms;

    scene_play(scene);
    while ((due_ms = feed_due(&scene->feed, &scene->rules)) != 0 && due_ms <= end) {
        scene->now = due_ms;
        scene_play(scene);
    }
    scene->now = end;
    scene_play(scene);
}

/* The events from..to were delivered, each once, in order, and nothing else. */
__attribute__((unused)) static void scene_delivered(struct scene *scene, uint64_t from, uint64_t to)
{
    assert_int_equal(scene->delivered_count, to + 1 - from);
    for (unsigned i = 0; i < scene->delivered_count; i++)
        assert_int_equal(scene->delivered[i], from + i);
    scene->delivered_count = 0;
}

/* Settled at the stream's last event. */
__attribute__((unused)) static void scene_settle(struct scene *scene, uint64_t last)
{
    scene->last = last;
    scene_play(scene);
    assert_true(scene->feed.is_settled);
    assert_int_equal(scene->feed.position.seq, last);
    assert_int_equal(scene->delivered_count, 0);
}

#endif
