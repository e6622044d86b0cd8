/* What a stream of server-sent events is written: its form, and which id stands in it. */
#include "worker_fixture.h"

#define CHAT  7
#define OTHER 8

static struct client *stream;

static struct client *new_stream(void)
{
    struct stream_cursor *cursor = stream_cursor_new(2);
    assert_non_null(cursor);
    stream_cursor_add(cursor, &(struct uuid){{[15] = CHAT}});
    return stream_of_nobody(cursor);
}

static int start_with_stream(void **state)
{
    int result = start(state);
    stream = new_stream();
    return result;
}

static int stop_with_stream(void **state)
{
    stream_fini(stream);
    return stop(state);
}

static void check(const struct frame *frame, const char *text)
{
    struct buffer out;
    buffer_init(&out, 65536);
    stream_write(stream, frame, &out);
    assert_string_equal(buffer_text(&out), text);
    buffer_fini(&out);
}

static void check_text(const char *message, const char *text)
{
    struct frame *frame = frame_new(FRAME_TEXT, slice_of(message));
    check(frame, text);
    frame_unref(&frame);
}

static void check_event(unsigned char number, uint64_t seq, const char *text)
{
    struct room_key room = chat(number);
    struct position position = {.epoch = "k", .seq = seq};
    struct stream_mark scratch;
    struct frame *frame =
        frame_new_beside(FRAME_TEXT, SLICE_LITERAL("{}"), stream_mark_make(&room, &position, &scratch));
    check(frame, text);
    frame_unref(&frame);
}

static void a_message_is_one_block_and_has_an_id_when_it_moves_a_place(void **state)
{
    (void)state;
    check_text("{\"a\":1}", "data: {\"a\":1}\n\n");
    check_event(CHAT, 4, "id: v1~AAAAAAAAAAAAAAAAAAAABw.k.4\ndata: {}\n\n");
    check_event(OTHER, 9, "data: {}\n\n"); /* it is not in that chat */
    check_event(CHAT, 5, "id: v1~AAAAAAAAAAAAAAAAAAAABw.k.5\ndata: {}\n\n");
}

static void every_line_of_a_payload_that_is_not_empty_is_a_line_of_data(void **state)
{
    (void)state;
    check_text("{\n1\r\n2\r3}", "data: {\ndata: 1\ndata: 2\ndata: 3}\n\n");
    check_text("{}\n", "data: {}\n\n");
    check_text("\r\n{}", "data: {}\n\n");
    check_text("{\n\r\r\n\n}\r", "data: {\ndata: }\n\n");
}

static void a_ping_is_a_comment(void **state)
{
    (void)state;
    check(world.worker->ping, ":\n\n");
}

static void the_time_to_come_back_is_told_once(void **state)
{
    (void)state;
    stream_set_retry(stream, 4312);
    check(world.worker->ping, ":\n\n");
    check_text("x", "retry: 4312\ndata: x\n\n");
    check_text("x", "data: x\n\n");
}

static void a_place_from_outside_is_resumed_from_and_others_are_not(void **state)
{
    (void)state;
    assert_false(stream_resumes_notifications(stream));
    struct stream_cursor *cursor = ((struct stream_client *)stream)->cursor;
    assert_true(stream_cursor_set(cursor, SLICE_LITERAL(""), SLICE_LITERAL("k"), SLICE_LITERAL("3")));
    assert_true(stream_resumes_notifications(stream));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_with_stream, stop_with_stream)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_is_one_block_and_has_an_id_when_it_moves_a_place),
        TEST(every_line_of_a_payload_that_is_not_empty_is_a_line_of_data),
        TEST(a_ping_is_a_comment),
        TEST(the_time_to_come_back_is_told_once),
        TEST(a_place_from_outside_is_resumed_from_and_others_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
