/* What the hub answers and hands on. */
#include "hub_fixture.h"

#include <roomcast/wire/signal.h>

static void an_empty_room_answers_with_the_empty_position(void **state)
{
    (void)state;
    struct position position = join(0, 1, "anna");
    struct position_empty empty;
    assert_true(position_parse_empty(&position, &empty));
    assert_int_equal(empty.last_seq, 0);
    assert_true(empty.created_s > 1700000000);
}

static void a_room_with_history_answers_with_its_last_position(void **state)
{
    (void)state;
    publish(2, 1);
    publish(2, 2);
    struct position position = join(0, 2, "anna");
    assert_string_equal(position.epoch, "e1");
    assert_int_equal(position.seq, 2);
}

static void an_event_goes_to_every_worker_with_members_and_to_no_other(void **state)
{
    (void)state;
    join(0, 3, "anna");
    publish(3, 1);
    expect_frame(0, "\"seq\":1,");
    join(1, 3, "bert");
    publish(3, 2);
    expect_frame(0, "\"seq\":2,");
    expect_frame(1, "\"seq\":2,");
}

static void a_worker_that_is_behind_is_told_once_that_events_are_left_out(void **state)
{
    (void)state;
    join(0, 3, "anna");
    join(1, 3, "bert");
    int64_t left_out = metrics_get(METRIC_EVENTS_LEFT_OUT);
    atomic_store(&world.workers[0].outlet.bytes, HUB_OUTLET_BYTES + 1);
    for (uint64_t seq = 1; seq <= 3; seq++)
        publish(3, seq);
    for (uint64_t seq = 1; seq <= 3; seq++)
        expect_event(1, seq, true);
    expect_event(0, 1, false);
    assert_int_equal(metrics_get(METRIC_EVENTS_LEFT_OUT), left_out + 3);

    /* Who asks goes on from the answer, and has to be told of what is left out after it. */
    ask(HUB_POSITION, 0, 3, "anna", false);
    struct hub_request *answer = next_answer(0);
    assert_int_equal(answer->position.seq, 3);
    hub_request_free(&answer);
    publish(3, 4);
    publish(3, 5);
    expect_event(0, 4, false);

    atomic_store(&world.workers[0].outlet.bytes, 0);
    publish(3, 6);
    expect_event(0, 6, true);
    assert_true(atomic_load(&world.workers[0].outlet.bytes) > 0);
}

static void an_event_is_also_compressed_while_somebody_takes_it_so(void **state)
{
    (void)state;
    join(0, 3, "anna");
    publish(3, 1);
    assert_false(next_event_is_deflated(0));
    atomic_store(&world.deflating, 1);
    publish(3, 2);
    assert_true(next_event_is_deflated(0));
    atomic_store(&world.deflating, 0);
    publish(3, 3);
    assert_false(next_event_is_deflated(0));
}

static void an_answer_comes_before_the_events_after_it(void **state)
{
    (void)state;
    join(0, 4, "anna");
    for (uint64_t seq = 1; seq <= 50; seq++) {
        publish(4, seq);
        ask(HUB_POSITION, 0, 4, "anna", false);
    }
    uint64_t answers = 0, frames = 0;
    while (answers < 50) {
        struct hub_output *output = next_output(0, SOON_MS);
        assert_non_null(output);
        if (output->kind == HUB_OUTPUT_FRAME) {
            frames += ((struct hub_frame *)output)->what == HUB_EVENT;
        } else {
            answers++;
            assert_int_equal(((struct hub_request *)output)->position.seq, frames);
        }
        free_output(output);
    }
}

static void a_room_is_left_after_the_linger_and_followed_anew(void **state)
{
    (void)state;
    join(0, 5, "anna");
    assert_int_equal(metrics_get(METRIC_ROOMS), 1);
    ask(HUB_PART, 0, 5, "anna", false);
    uint64_t deadline_ms = clock_monotonic_ms() + SOON_MS;
    while (metrics_get(METRIC_ROOMS) != 0 && clock_monotonic_ms() < deadline_ms)
        sched_yield();
    assert_int_equal(metrics_get(METRIC_ROOMS), 0);
    publish(5, 1);
    struct position position = join(0, 5, "anna");
    assert_int_equal(position.seq, 1);
}

static void typing_reaches_the_room_but_not_its_sender_and_is_limited(void **state)
{
    (void)state;
    join(0, 6, "anna");
    int64_t limited = metrics_get(METRIC_TYPING_LIMITED);
    ask(HUB_TYPING, 0, 6, "anna", true);
    for (;;) {
        struct hub_output *output = next_output(0, SOON_MS);
        assert_non_null(output);
        struct hub_frame *frame = (struct hub_frame *)output;
        struct slice payload = frame_payload(frame->frame);
        if (memmem(payload.data, payload.len, "chat.typing", 11)) {
            struct room_key anna = user("anna");
            assert_true(frame->but_not_sender && room_key_equal(&frame->sender, &anna));
            assert_int_equal(frame->what, HUB_SIGNAL);
            free_output(output);
            break;
        }
        free_output(output);
    }
    ask(HUB_TYPING, 0, 6, "anna", true);
    ask(HUB_POSITION, 0, 6, "anna", false); /* after it, the typing was looked at */
    struct hub_request *answer = next_answer(0);
    hub_request_free(&answer);
    assert_int_equal(metrics_get(METRIC_TYPING_LIMITED), limited + 1);
}

static void presence_lists_who_joined(void **state)
{
    (void)state;
    join(0, 7, "anna");
    ask(HUB_JOIN, 1, 7, "bert", false);
    expect_frame(0, "\"is_online\":true");
    ask(HUB_PRESENCE, 0, 7, "anna", false);
    struct hub_request *answer = next_answer(0);
    assert_int_equal(answer->status, ERR_OK);
    assert_non_null(strstr(answer->text, "\"anna\""));
    assert_non_null(strstr(answer->text, "\"bert\""));
    assert_non_null(strstr(answer->text, "\"count\":2"));
    hub_request_free(&answer);
    ask(HUB_PART, 1, 7, "bert", false);
    expect_frame(0, "\"is_online\":false");
}

static void publish_online(const char *node, unsigned room, const char *name)
{
    struct room_key key = chat(room);
    struct signal_message signal = {.kind = SIGNAL_PRESENCE_CHANGE,
                                    .room = key,
                                    .node = slice_of(node),
                                    .user = slice_of(name),
                                    .on = true};
    char subject[SUBJECT_SIZE];
    struct buffer out;
    buffer_init(&out, 4096);
    assert_int_equal(signal_encode(&signal, &out), ERR_OK);
    subject_format("test", SUBJECT_SIGNAL, &key, subject);
    assert_int_equal(bus_publish(world.bus, subject, buffer_slice(&out)), ERR_OK);
    buffer_fini(&out);
}

static void the_users_of_a_node_that_is_gone_are_gone_with_it(void **state)
{
    (void)state;
    join(0, 7, "anna");
    hub_note_node(world.hub, SLICE_LITERAL("node-b.1"));
    publish_online("node-b.1", 7, "bert");
    expect_frame(0, "\"is_online\":true");
    hub_forget_node(world.hub, SLICE_LITERAL("node-c.1"), true);
    hub_forget_node(world.hub, SLICE_LITERAL("node-b.1"), true);
    expect_frame(0, "\"is_online\":false");
    ask(HUB_PRESENCE, 0, 7, "anna", false);
    struct hub_request *answer = next_answer(0);
    assert_non_null(strstr(answer->text, "\"count\":1"));
    hub_request_free(&answer);
}

static void a_gap_that_the_stream_cannot_fill_is_counted_and_passed_over(void **state)
{
    (void)state;
    join(0, 9, "anna");
    publish(9, 1);
    expect_frame(0, "\"seq\":1,");
    int64_t lost = metrics_get(METRIC_GAPS_LOST);
    publish(9, 3);
    publish(9, 4);
    expect_frame(0, "\"seq\":3,");
    expect_frame(0, "\"seq\":4,");
    assert_int_equal(metrics_get(METRIC_GAPS_LOST), lost + 1);
}

static void trouble_on_the_bus_makes_rooms_ask_anew_and_lose_nothing(void **state)
{
    (void)state;
    join(0, 10, "anna");
    publish(10, 1);
    atomic_fetch_add(&world.bus_changes, 1);
    publish(10, 2);
    expect_frame(0, "\"seq\":1,");
    expect_frame(0, "\"seq\":2,");
    ask(HUB_POSITION, 0, 10, "anna", false);
    struct hub_request *answer = next_answer(0);
    assert_int_equal(answer->position.seq, 2);
    hub_request_free(&answer);
}

static void trouble_after_trouble_asks_about_each_room_once_and_not_without_end(void **state)
{
    (void)state;
    enum { ROOMS = 8, TROUBLED_MS = 700 /* less than the pause between two comparisons of all rooms */ };
    for (unsigned room = 0; room < ROOMS; room++)
        join(0, 20 + room, "anna");
    int64_t asked = metrics_get(METRIC_READS_HEAD);
    uint64_t seq = 0, begin_ms = clock_monotonic_ms();
    while (clock_monotonic_ms() - begin_ms < TROUBLED_MS) {
        char text[32];
        atomic_fetch_add(&world.bus_changes, 1);
        publish(20, ++seq);
        snprintf(text, sizeof text, "\"seq\":%llu,", (unsigned long long)seq);
        expect_frame(0, text);
    }
    uint64_t deadline_ms = clock_monotonic_ms() + SOON_MS;
    while (metrics_get(METRIC_READS_HEAD) < asked + ROOMS && clock_monotonic_ms() < deadline_ms)
        sched_yield();
    asked = metrics_get(METRIC_READS_HEAD) - asked;
    uint64_t pauses = 1 + (clock_monotonic_ms() - begin_ms) / 1000; /* on a slow machine there are more */
    assert_in_range(asked, ROOMS, (1 + pauses) * ROOMS);
}

static void garbage_on_the_bus_is_counted_and_harms_nobody(void **state)
{
    (void)state;
    join(0, 8, "anna");
    int64_t bad = metrics_get(METRIC_ENVELOPES_BAD);
    struct room_key room = chat(8);
    char subject[SUBJECT_SIZE];
    subject_format("test", SUBJECT_LIVE, &room, subject);
    assert_int_equal(bus_publish(world.bus, subject, SLICE_LITERAL("\xff\xff garbage")), ERR_OK);
    subject_format("test", SUBJECT_SIGNAL, &room, subject);
    assert_int_equal(bus_publish(world.bus, subject, SLICE_LITERAL("\xff\xff garbage")), ERR_OK);
    publish(8, 1);
    expect_frame(0, "\"seq\":1,");
    assert_int_equal(metrics_get(METRIC_ENVELOPES_BAD), bad + 2);
}

int main(void)
{
    if (random_init() != ERR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_room_answers_with_the_empty_position, start, stop),
        cmocka_unit_test_setup_teardown(a_room_with_history_answers_with_its_last_position, start, stop),
        cmocka_unit_test_setup_teardown(an_event_goes_to_every_worker_with_members_and_to_no_other, start,
                                        stop),
        cmocka_unit_test_setup_teardown(a_worker_that_is_behind_is_told_once_that_events_are_left_out, start,
                                        stop),
        cmocka_unit_test_setup_teardown(an_answer_comes_before_the_events_after_it, start, stop),
        cmocka_unit_test_setup_teardown(an_event_is_also_compressed_while_somebody_takes_it_so, start, stop),
        cmocka_unit_test_setup_teardown(a_room_is_left_after_the_linger_and_followed_anew, start, stop),
        cmocka_unit_test_setup_teardown(typing_reaches_the_room_but_not_its_sender_and_is_limited, start,
                                        stop),
        cmocka_unit_test_setup_teardown(presence_lists_who_joined, start, stop),
        cmocka_unit_test_setup_teardown(the_users_of_a_node_that_is_gone_are_gone_with_it, start, stop),
        cmocka_unit_test_setup_teardown(a_gap_that_the_stream_cannot_fill_is_counted_and_passed_over, start,
                                        stop),
        cmocka_unit_test_setup_teardown(trouble_on_the_bus_makes_rooms_ask_anew_and_lose_nothing, start,
                                        stop),
        cmocka_unit_test_setup_teardown(trouble_after_trouble_asks_about_each_room_once_and_not_without_end,
                                        start, stop),
        cmocka_unit_test_setup_teardown(garbage_on_the_bus_is_counted_and_harms_nobody, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
