#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/core/lane.h>

#define EPOCH "e1"

static struct lane_event event(const char *id)
{
    return (struct lane_event){.id = slice_of(id)};
}

static void expect_nothing(struct lane *lane)
{
    assert_int_equal(lane_next(lane, 0).kind, LANE_NOTHING);
}

static void expect_ask(struct lane *lane, uint64_t now)
{
    assert_int_equal(lane_next(lane, now).kind, LANE_ASK_LAST);
}

static void expect_store(struct lane *lane, uint64_t now, const struct lane_event *event, const char *epoch,
                         uint64_t seq, uint64_t expect_last)
{
    struct lane_action action = lane_next(lane, now);

    assert_int_equal(action.kind, LANE_STORE);
    assert_ptr_equal(action.event, event);
    assert_string_equal(action.position.epoch, epoch);
    assert_int_equal(action.position.seq, seq);
    assert_int_equal(action.expect_last, expect_last);
}

/* As expect_store, and the trail, newest first and up to 0. */
static void expect_store_with_trail(struct lane *lane, const struct lane_event *event, const char *epoch,
                                    uint64_t seq, const uint64_t *seqs)
{
    struct lane_action action = lane_next(lane, 0);

    assert_int_equal(action.kind, LANE_STORE);
    assert_ptr_equal(action.event, event);
    assert_string_equal(action.position.epoch, epoch);
    assert_int_equal(action.position.seq, seq);
    assert_int_equal(action.expect_last, seqs[0]);
    for (uint32_t i = 0; i < action.trail.count; i++)
        assert_int_equal(action.trail.seqs[i], seqs[i]);
    assert_int_equal(seqs[action.trail.count], 0);
}

static void expect_finished(struct lane *lane, const struct lane_event *event, enum lane_outcome outcome)
{
    struct lane_action action = lane_next(lane, 0);

    assert_int_equal(action.kind, LANE_FINISHED);
    assert_ptr_equal(action.event, event);
    assert_int_equal(action.outcome, outcome);
}

static uint64_t expect_wait(struct lane *lane, uint64_t now)
{
    struct lane_action action = lane_next(lane, now);

    assert_int_equal(action.kind, LANE_WAIT);
    assert_true(action.until_ms > now);
    return action.until_ms;
}

static void head_none(struct lane *lane)
{
    lane_on_head(lane, &(struct lane_head){.kind = LANE_HEAD_NONE}, EPOCH, 0, 0);
}

static void head_found(struct lane *lane, const char *epoch, uint64_t seq, uint64_t stream_seq,
                       const char *id)
{
    struct lane_head head = {.kind = LANE_HEAD_FOUND,
                             .position = {.seq = seq},
                             .stream_seq = stream_seq,
                             .event_id = slice_of(id)};

    snprintf(head.position.epoch, sizeof head.position.epoch, "%s", epoch);
    lane_on_head(lane, &head, "fresh", 0, 0);
}

/* A lane whose first event is on its way to the store, after a head of old:7 at stream sequence 70. */
static void begin_storing(struct lane *lane, struct lane_event *first)
{
    lane_init(lane);
    lane_add(lane, first);
    expect_ask(lane, 0);
    head_found(lane, "old", 7, 70, "earlier");
    expect_store(lane, 0, first, "old", 8, 70);
}

static void lane_starts_an_epoch_in_an_empty_room(void **state)
{
    (void)state;
    struct lane lane;
    struct lane_event a = event("a"), b = event("b");

    lane_init(&lane);
    expect_nothing(&lane);
    lane_add(&lane, &a);
    lane_add(&lane, &b);
    expect_ask(&lane, 0);
    expect_nothing(&lane);
    head_none(&lane);
    expect_store(&lane, 0, &a, EPOCH, 1, 0);
    expect_nothing(&lane);
    lane_on_store(&lane, LANE_STORE_STORED, 41, 0, 0);
    expect_finished(&lane, &a, LANE_OUTCOME_STORED);
    expect_store(&lane, 0, &b, EPOCH, 2, 41);
    lane_on_store(&lane, LANE_STORE_STORED, 57, 0, 0);
    expect_finished(&lane, &b, LANE_OUTCOME_STORED);
    expect_nothing(&lane);
    assert_int_equal(lane.state, LANE_IDLE);
}

static void lane_goes_on_from_the_head(void **state)
{
    (void)state;
    struct lane lane;
    struct lane_event a = event("a");

    begin_storing(&lane, &a);
    lane_on_store(&lane, LANE_STORE_STORED, 71, 0, 0);
    expect_finished(&lane, &a, LANE_OUTCOME_STORED);
}

static void lane_skips_what_is_the_head_already(void **state)
{
    (void)state;
    struct lane lane;
    struct lane_event a = event("a"), b = event("b");

    lane_init(&lane);
    lane_add(&lane, &a);
    lane_add(&lane, &b);
    expect_ask(&lane, 0);
    head_found(&lane, "old", 3, 30, "a");
    expect_finished(&lane, &a, LANE_OUTCOME_DUPLICATE);
    expect_store(&lane, 0, &b, "old", 4, 30);
}

static void lane_starts_an_epoch_behind_foreign_bytes(void **state)
{
    (void)state;
    struct lane lane;
    struct lane_event a = event("a");

    lane_init(&lane);
    lane_add(&lane, &a);
    expect_ask(&lane, 0);
    lane_on_head(&lane, &(struct lane_head){.kind = LANE_HEAD_FOREIGN, .stream_seq = 12}, "x9", 0, 0);
    expect_store(&lane, 0, &a, "x9", 1, 12);
}

static void lane_starts_an_epoch_when_numbers_run_out(void **state)
{
    (void)state;
    struct lane lane;
    struct lane_event a = event("a"), b = event("b");

    lane_init(&lane);
    lane_add(&lane, &a);
    lane_add(&lane, &b);
    expect_ask(&lane, 0);
    head_found(&lane, "old", SEQ_MAX - 1, 30, "z");
    expect_store(&lane, 0, &a, "old", SEQ_MAX, 30);
    lane_on_store(&lane, LANE_STORE_STORED, 31, 0, 0);
    expect_finished(&lane, &a, LANE_OUTCOME_STORED);
    expect_ask(&lane, 0);
    head_found(&lane, "old", SEQ_MAX, 31, "a");
    expect_store(&lane, 0, &b, "fresh", 1, 31);
}

static void lane_reloads_the_head_after_a_duplicate(void **state)
{
    (void)state;
    struct lane lane;
    struct lane_event a = event("a"), b = event("b");

    begin_storing(&lane, &a);
    lane_add(&lane, &b);
    lane_on_store(&lane, LANE_STORE_DUPLICATE, 55, 0, 0);
    expect_finished(&lane, &a, LANE_OUTCOME_DUPLICATE);
    expect_ask(&lane, 0);
    head_found(&lane, "old", 9, 90, "c");
    expect_store(&lane, 0, &b, "old", 10, 90);
}

static void lane_renumbers_after_a_fence(void **state)
{
    (void)state;
    struct lane lane;
    struct lane_event a = event("a");

    begin_storing(&lane, &a);
    lane_on_store(&lane, LANE_STORE_FENCED, 0, 0, 0);
    expect_ask(&lane, 0);
    head_found(&lane, "old", 8, 80, "of another relay");
    expect_store(&lane, 0, &a, "old", 9, 80);
    lane_on_store(&lane, LANE_STORE_FENCED, 0, 0, 0);
    uint64_t until = expect_wait(&lane, 0); /* fenced again: not a busy loop */
    expect_ask(&lane, until);
}

static void lane_finds_its_event_behind_a_lost_answer(void **state)
{
    (void)state;
    struct lane lane;
    struct lane_event a = event("a");

    begin_storing(&lane, &a);
    lane_on_store(&lane, LANE_STORE_UNKNOWN, 0, 100, 0);
    uint64_t until = expect_wait(&lane, 100);
    expect_ask(&lane, until);
    head_found(&lane, "old", 8, 71, "a");
    expect_finished(&lane, &a, LANE_OUTCOME_STORED);
}

static void lane_stores_again_what_was_swallowed(void **state)
{
    (void)state;
    struct lane lane;
    struct lane_event a = event("a");

    begin_storing(&lane, &a);
    lane_on_store(&lane, LANE_STORE_UNKNOWN, 0, 0, 0);
    expect_ask(&lane, expect_wait(&lane, 0));
    head_found(&lane, "old", 7, 70, "earlier");
    expect_store(&lane, 0, &a, "old", 8, 70);
    lane_on_store(&lane, LANE_STORE_DUPLICATE, 71, 0, 0); /* the first copy came late */
    expect_finished(&lane, &a, LANE_OUTCOME_STORED);
}

static void lane_backs_off_and_keeps_the_order(void **state)
{
    (void)state;
    struct lane lane;
    struct lane_event a = event("a"), b = event("b");
    uint64_t now = 1000, longest = 0;

    begin_storing(&lane, &a);
    lane_add(&lane, &b);
    for (unsigned i = 0; i < 40; i++) {
        lane_on_store(&lane, LANE_STORE_UNAVAILABLE, 0, now, i % 2 ? UINT32_MAX : 0);
        uint64_t until = expect_wait(&lane, now);
        uint64_t whole = i < 7 ? LANE_BACKOFF_FIRST_MS << i : LANE_BACKOFF_MAX_MS;
        assert_in_range(until - now, whole / 2, whole);
        assert_int_equal(lane_next(&lane, until - 1).kind, LANE_WAIT);
        longest = until - now;
        now = until;
        expect_store(&lane, now, &a, "old", 8, 70);
    }
    assert_true(longest >= LANE_BACKOFF_MAX_MS / 2);
    lane_on_store(&lane, LANE_STORE_UNAVAILABLE, 0, now, 0);
    lane_hurry(&lane, now);
    expect_store(&lane, now, &a, "old", 8, 70);
    lane_on_store(&lane, LANE_STORE_STORED, 71, now, 0);
    expect_finished(&lane, &a, LANE_OUTCOME_STORED);
    expect_store(&lane, now, &b, "old", 9, 71);
    lane_on_store(&lane, LANE_STORE_UNAVAILABLE, 0, now, 0);
    assert_in_range(expect_wait(&lane, now) - now, LANE_BACKOFF_FIRST_MS / 2, LANE_BACKOFF_FIRST_MS);
    assert_ptr_equal(lane_fini(&lane), &b);
}

static void lane_waits_when_nobody_knows_the_head(void **state)
{
    (void)state;
    struct lane lane;
    struct lane_event a = event("a");

    lane_init(&lane);
    lane_add(&lane, &a);
    expect_ask(&lane, 5);
    lane_on_head(&lane, &(struct lane_head){.kind = LANE_HEAD_UNAVAILABLE}, EPOCH, 5, 0);
    expect_ask(&lane, expect_wait(&lane, 5));
}

static void lane_goes_on_after_a_refused_event(void **state)
{
    (void)state;
    struct lane lane;
    struct lane_event a = event("a"), b = event("b");

    begin_storing(&lane, &a);
    lane_add(&lane, &b);
    lane_on_store(&lane, LANE_STORE_REFUSED, 0, 0, 0);
    expect_finished(&lane, &a, LANE_OUTCOME_REFUSED);
    expect_store(&lane, 0, &b, "old", 8, 70);
}

static void stored(struct lane *lane, uint64_t stream_seq, const struct lane_event *event,
                   enum lane_epoch epoch)
{
    lane_on_store(lane, LANE_STORE_STORED, stream_seq, 0, 0);
    struct lane_action action = lane_next(lane, 0);
    assert_int_equal(action.kind, LANE_FINISHED);
    assert_ptr_equal(action.event, event);
    assert_int_equal(action.outcome, LANE_OUTCOME_STORED);
    assert_int_equal(action.epoch, epoch);
}

static void lane_keeps_the_trail_of_its_room(void **state)
{
    (void)state;
    struct lane lane;
    struct lane_event events[TRAIL_MAX + 4];
    uint64_t seqs[TRAIL_MAX + 1] = {0};

    lane_init(&lane);
    for (unsigned i = 0; i < TRAIL_MAX + 4; i++) {
        events[i] = event("x");
        lane_add(&lane, &events[i]);
    }
    expect_ask(&lane, 0);
    head_none(&lane);
    for (unsigned i = 0; i < TRAIL_MAX + 4; i++) {
        expect_store_with_trail(&lane, &events[i], EPOCH, i + 1, seqs);
        stored(&lane, 100 + 7 * i, &events[i], i ? LANE_EPOCH_GOES_ON : LANE_EPOCH_EMPTY);
        memmove(seqs + 1, seqs, (TRAIL_MAX - 1) * sizeof *seqs);
        seqs[0] = 100 + 7 * i;
    }
}

static void lane_takes_the_trail_up_from_the_head(void **state)
{
    (void)state;
    struct lane lane;
    struct lane_event a = event("a"), b = event("b");
    struct lane_head head = {.kind = LANE_HEAD_FOUND,
                             .position = {"old", 7},
                             .stream_seq = 70,
                             .event_id = SLICE_LITERAL("earlier"),
                             .trail = {2, {65, 11}}};

    lane_init(&lane);
    lane_add(&lane, &a);
    lane_add(&lane, &b);
    expect_ask(&lane, 0);
    lane_on_head(&lane, &head, "fresh", 0, 0);
    expect_store_with_trail(&lane, &a, "old", 8, (uint64_t[]){70, 65, 11, 0});
    lane_on_store(&lane, LANE_STORE_FENCED, 0, 0, 0);
    expect_ask(&lane, 0); /* another writer was there */
    head.position.seq = 9;
    head.stream_seq = 80;
    head.trail = (struct trail){3, {71, 70, 65}};
    lane_on_head(&lane, &head, "fresh", 0, 0);
    expect_store_with_trail(&lane, &a, "old", 10, (uint64_t[]){80, 71, 70, 65, 0});
    stored(&lane, 90, &a, LANE_EPOCH_GOES_ON);
    expect_store_with_trail(&lane, &b, "old", 11, (uint64_t[]){90, 80, 71, 70, 65, 0});
}

static void lane_knows_no_trail_behind_foreign_bytes(void **state)
{
    (void)state;
    struct lane lane;
    struct lane_event a = event("a");

    lane_init(&lane);
    lane_add(&lane, &a);
    expect_ask(&lane, 0);
    lane_on_head(&lane, &(struct lane_head){.kind = LANE_HEAD_FOREIGN, .stream_seq = 12}, "x9", 0, 0);
    expect_store_with_trail(&lane, &a, "x9", 1, (uint64_t[]){12, 0});
    stored(&lane, 13, &a, LANE_EPOCH_UNREADABLE);
}

/* Stores `a` as old:8 at 71, then loses the head by a duplicate of `b`. */
static void begin_before_a_rollback(struct lane *lane, struct lane_event *a, struct lane_event *b)
{
    begin_storing(lane, a);
    lane_add(lane, b);
    stored(lane, 71, a, LANE_EPOCH_GOES_ON);
    expect_store(lane, 0, b, "old", 9, 71);
    lane_on_store(lane, LANE_STORE_FENCED, 0, 0, 0);
    expect_ask(lane, 0);
}

static void lane_starts_an_epoch_when_the_store_forgot(void **state)
{
    (void)state;
    struct lane lane;
    struct lane_event a = event("a"), b = event("b"), c = event("c");

    begin_before_a_rollback(&lane, &a, &b);
    lane_add(&lane, &c);
    head_found(&lane, "old", 7, 70, "earlier"); /* old:8 was confirmed */
    expect_store_with_trail(&lane, &b, "fresh", 1, (uint64_t[]){70, 0});
    stored(&lane, 71, &b, LANE_EPOCH_ROLLBACK);
    expect_store(&lane, 0, &c, "fresh", 2, 71);
    lane_on_store(&lane, LANE_STORE_FENCED, 0, 0, 0);
    expect_ask(&lane, 0);
    head_found(&lane, "old", 7, 70, "earlier"); /* and again, into the epoch before */
    expect_store(&lane, 0, &c, "fresh", 1, 70);
    stored(&lane, 71, &c, LANE_EPOCH_ROLLBACK);
}

static void lane_believes_no_deposed_leader(void **state)
{
    (void)state;
    struct lane lane;
    struct lane_event a = event("a"), b = event("b");

    begin_before_a_rollback(&lane, &a, &b);
    head_found(&lane, "old", 6, 60, "much earlier");
    expect_store(&lane, 0, &b, "fresh", 1, 60);
    lane_on_store(&lane, LANE_STORE_FENCED, 0, 0, 0); /* the real leader knows better */
    expect_ask(&lane, expect_wait(&lane, 0));
    head_found(&lane, "old", 8, 71, "a");
    expect_store(&lane, 0, &b, "old", 9, 71);
    stored(&lane, 72, &b, LANE_EPOCH_GOES_ON);
}

static void lane_notices_another_event_under_its_number(void **state)
{
    (void)state;
    struct lane lane;
    struct lane_event a = event("a"), b = event("b");

    begin_before_a_rollback(&lane, &a, &b);
    head_found(&lane, "old", 8, 75, "stored by another relay after the loss");
    expect_store(&lane, 0, &b, "fresh", 1, 75);
}

static void lane_follows_another_relay_into_a_new_epoch(void **state)
{
    (void)state;
    struct lane lane;
    struct lane_event a = event("a"), b = event("b");

    begin_before_a_rollback(&lane, &a, &b);
    head_found(&lane, "newer", 3, 90, "of another relay");
    expect_store(&lane, 0, &b, "newer", 4, 90);
}

static void lane_counts_an_epoch_whose_first_answer_was_lost(void **state)
{
    (void)state;
    struct lane lane;
    struct lane_event a = event("a");

    lane_init(&lane);
    lane_add(&lane, &a);
    expect_ask(&lane, 0);
    head_none(&lane);
    expect_store(&lane, 0, &a, EPOCH, 1, 0);
    lane_on_store(&lane, LANE_STORE_UNKNOWN, 0, 0, 0);
    expect_ask(&lane, expect_wait(&lane, 0));
    head_found(&lane, EPOCH, 1, 5, "a");
    struct lane_action action = lane_next(&lane, 0);
    assert_int_equal(action.kind, LANE_FINISHED);
    assert_int_equal(action.epoch, LANE_EPOCH_EMPTY);
}

static void lane_fini_gives_every_event_back(void **state)
{
    (void)state;
    struct lane lane;
    struct lane_event a = event("a"), b = event("b");

    begin_storing(&lane, &a);
    lane_add(&lane, &b);
    lane_on_store(&lane, LANE_STORE_STORED, 71, 0, 0);
    assert_ptr_equal(lane_fini(&lane), &a);
    assert_ptr_equal(a.next, &b);
    assert_null(b.next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lane_starts_an_epoch_in_an_empty_room),
        cmocka_unit_test(lane_goes_on_from_the_head),
        cmocka_unit_test(lane_skips_what_is_the_head_already),
        cmocka_unit_test(lane_starts_an_epoch_behind_foreign_bytes),
        cmocka_unit_test(lane_starts_an_epoch_when_numbers_run_out),
        cmocka_unit_test(lane_reloads_the_head_after_a_duplicate),
        cmocka_unit_test(lane_renumbers_after_a_fence),
        cmocka_unit_test(lane_finds_its_event_behind_a_lost_answer),
        cmocka_unit_test(lane_stores_again_what_was_swallowed),
        cmocka_unit_test(lane_backs_off_and_keeps_the_order),
        cmocka_unit_test(lane_waits_when_nobody_knows_the_head),
        cmocka_unit_test(lane_goes_on_after_a_refused_event),
        cmocka_unit_test(lane_keeps_the_trail_of_its_room),
        cmocka_unit_test(lane_takes_the_trail_up_from_the_head),
        cmocka_unit_test(lane_knows_no_trail_behind_foreign_bytes),
        cmocka_unit_test(lane_starts_an_epoch_when_the_store_forgot),
        cmocka_unit_test(lane_believes_no_deposed_leader),
        cmocka_unit_test(lane_notices_another_event_under_its_number),
        cmocka_unit_test(lane_follows_another_relay_into_a_new_epoch),
        cmocka_unit_test(lane_counts_an_epoch_whose_first_answer_was_lost),
        cmocka_unit_test(lane_fini_gives_every_event_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
