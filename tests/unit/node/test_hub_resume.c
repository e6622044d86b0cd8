/* What the hub gives to sessions that were away or fell behind. */
#include "hub_fixture.h"

static struct hub_request *resume(enum hub_request_kind kind, unsigned worker, unsigned room, uint64_t since)
{
    struct room_key room_key = chat(room), user_key = user("anna");
    struct hub_request *request = hub_request_new(kind, worker, &room_key, &user_key);
    assert_non_null(request);
    request->waiter.has_since = true;
    request->waiter.since = (struct position){.epoch = "e1", .seq = since};
    hub_ask(world.hub, request);
    struct hub_request *answer = next_answer(worker);
    assert_int_equal(answer->status, ERR_OK);
    return answer;
}

static void a_resume_is_answered_with_what_was_missed(void **state)
{
    (void)state;
    for (uint64_t seq = 1; seq <= 40; seq++)
        publish(11, seq);
    struct hub_request *first = resume(HUB_JOIN, 0, 11, 5), *second = resume(HUB_JOIN, 0, 11, 38);
    assert_true(first->is_recovered && first->is_all && second->is_recovered && second->is_all);
    assert_int_equal(first->position.seq, 40);
    assert_int_equal(first->replay->count - first->replay_at, 35);
    for (uint32_t i = 0; i < 35; i++) {
        char wanted[32];
        snprintf(wanted, sizeof wanted, "\"seq\":%u,", 6 + i);
        struct slice payload = frame_payload(first->replay->frames[first->replay_at + i]);
        assert_non_null(memmem(payload.data, payload.len, wanted, strlen(wanted)));
    }
    assert_ptr_equal(second->replay, first->replay); /* made once, shared */
    assert_int_equal(second->replay->count - second->replay_at, 2);
    hub_request_free(&first);
    hub_request_free(&second);
    struct hub_request *at_end = resume(HUB_POSITION, 0, 11, 40);
    assert_true(at_end->is_recovered);
    assert_null(at_end->replay);
    hub_request_free(&at_end);
}

/* Asks with any cursor; the answer is the caller's. */
static struct hub_request *resume_from(unsigned room, const struct position *since)
{
    struct room_key room_key = chat(room), user_key = user("anna");
    struct hub_request *request = hub_request_new(HUB_JOIN, 0, &room_key, &user_key);
    assert_non_null(request);
    request->waiter.has_since = true;
    request->waiter.since = *since;
    hub_ask(world.hub, request);
    return next_answer(0);
}

static void who_saw_the_room_empty_gets_all_that_came_since(void **state)
{
    (void)state;
    struct position empty = join(0, 15, "anna");
    struct hub_request *answer = resume_from(15, &empty); /* it still is */
    assert_true(answer->is_recovered);
    assert_null(answer->replay);
    hub_request_free(&answer);
    for (uint64_t seq = 1; seq <= 3; seq++)
        publish(15, seq);
    expect_frame(0, "\"seq\":3,");
    answer = resume_from(15, &empty);
    assert_true(answer->is_recovered && answer->is_all);
    assert_int_equal(answer->replay->first.seq + answer->replay_at, 1);
    assert_int_equal(answer->replay->count - answer->replay_at, 3);
    hub_request_free(&answer);
}

static void an_empty_position_that_proves_nothing_is_not_recovered(void **state)
{
    (void)state;
    struct position empty = join(0, 16, "anna"), plain = {.epoch = EPOCH_EMPTY};
    publish(16, 1);
    expect_frame(0, "\"seq\":1,");
    struct position_empty parsed;
    assert_true(position_parse_empty(&empty, &parsed));
    parsed.created_s++; /* of another stream */
    struct position elsewhere;
    position_format_empty(&parsed, &elsewhere);
    const struct position *const cursors[] = {&plain, &elsewhere};
    for (int i = 0; i < 2; i++) {
        struct hub_request *answer = resume_from(16, cursors[i]);
        assert_int_equal(answer->status, ERR_OK);
        assert_false(answer->is_recovered);
        assert_int_equal(answer->position.seq, 1);
        hub_request_free(&answer);
    }
}

static void what_cannot_be_proven_is_answered_with_the_position_alone(void **state)
{
    (void)state;
    publish(12, 1);
    publish(12, 2);
    join(0, 12, "anna");
    struct hub_request *future = resume(HUB_POSITION, 0, 12, 9);
    assert_false(future->is_recovered);
    assert_null(future->replay);
    assert_int_equal(future->position.seq, 2);
    hub_request_free(&future);
}

static void one_that_fell_behind_gets_pages(void **state)
{
    (void)state;
    join(0, 13, "anna");
    for (uint64_t seq = 1; seq <= 300; seq++)
        publish(13, seq);
    expect_frame(0, "\"seq\":300,");
    struct hub_request *page = resume(HUB_CATCH_UP, 0, 13, 10);
    assert_true(page->is_recovered);
    assert_false(page->is_all);
    assert_int_equal(page->replay->first.seq + page->replay_at, 11);
    uint32_t got = page->replay->count - page->replay_at;
    assert_true(got > 0 && got < 290);
    hub_request_free(&page);
    page = resume(HUB_CATCH_UP, 0, 13, 10 + got);
    assert_true(page->is_recovered && page->is_all);
    assert_int_equal(page->replay->count - page->replay_at, 290 - got);
    hub_request_free(&page);
}

static void a_loss_is_told_to_the_room_in_its_place(void **state)
{
    (void)state;
    join(0, 14, "anna");
    publish(14, 1);
    expect_frame(0, "\"seq\":1,");
    int64_t expired = metrics_get(METRIC_LOST_EXPIRED);
    publish(14, 3);
    for (;;) {
        struct hub_output *output = next_output(0, SOON_MS);
        assert_non_null(output);
        assert_int_equal(output->kind, HUB_OUTPUT_FRAME);
        struct hub_frame *frame = (struct hub_frame *)output;
        bool is_loss = frame->what == HUB_LOSS;
        assert_true(is_loss || frame->what == HUB_SIGNAL);
        if (is_loss) {
            struct slice payload = frame_payload(frame->frame);
            assert_non_null(memmem(payload.data, payload.len, "\"POSITION_LOST\"", 15));
            assert_non_null(memmem(payload.data, payload.len, "\"seq\":2}", 8));
            assert_int_equal(frame->position.seq, 2);
        }
        free_output(output);
        if (is_loss)
            break;
    }
    expect_frame(0, "\"seq\":3,");
    assert_int_equal(metrics_get(METRIC_LOST_EXPIRED), expired + 1);
}

int main(void)
{
    if (random_init() != ERR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_saw_the_room_empty_gets_all_that_came_since, start, stop),
        cmocka_unit_test_setup_teardown(an_empty_position_that_proves_nothing_is_not_recovered, start, stop),
        cmocka_unit_test_setup_teardown(a_resume_is_answered_with_what_was_missed, start, stop),
        cmocka_unit_test_setup_teardown(what_cannot_be_proven_is_answered_with_the_position_alone, start,
                                        stop),
        cmocka_unit_test_setup_teardown(one_that_fell_behind_gets_pages, start, stop),
        cmocka_unit_test_setup_teardown(a_loss_is_told_to_the_room_in_its_place, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
