#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

#include <roomcast/base/frame.h>

/* A text frame of `len` payload bytes must begin with `header`. */
static void check_header(size_t len, const unsigned char *header, size_t header_len)
{
    char *payload = malloc(len + 1);
    memset(payload, 'x', len + 1);
    struct frame *frame = frame_new(FRAME_TEXT, (struct slice){payload, len});

    assert_non_null(frame);
    assert_int_equal(frame->header_len, header_len);
    assert_int_equal(frame->len, header_len + len);
    assert_memory_equal(frame->bytes, header, header_len);
    assert_true(slice_equal(frame_payload(frame), (struct slice){payload, len}));
    frame_unref(&frame);
    free(payload);
}

static void frame_header_has_the_shortest_length_form_of_rfc_6455(void **state)
{
    (void)state;
    check_header(0, (const unsigned char[]){0x81, 0}, 2);
    check_header(125, (const unsigned char[]){0x81, 125}, 2);
    check_header(126, (const unsigned char[]){0x81, 126, 0, 126}, 4);
    check_header(65535, (const unsigned char[]){0x81, 126, 0xff, 0xff}, 4);
    check_header(65536, (const unsigned char[]){0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}, 10);
}

static void frame_opcode_is_in_the_first_byte_and_nothing_is_masked(void **state)
{
    (void)state;
    struct frame *frame = frame_new(FRAME_PING, SLICE_LITERAL("7"));

    assert_memory_equal(frame->bytes,
                        "\x89\x01"
                        "7",
                        3);
    frame_unref(&frame);
    frame = frame_new(FRAME_PONG, SLICE_LITERAL(""));
    assert_memory_equal(frame->bytes, "\x8a\x00", 2);
    frame_unref(&frame);
}

static void bytes_beside_a_frame_are_kept_and_are_no_part_of_it(void **state)
{
    (void)state;
    struct frame *frame = frame_new_beside(FRAME_TEXT, SLICE_LITERAL("{}"), SLICE_LITERAL("mark"));

    assert_int_equal(frame->len, 4);
    assert_memory_equal(frame->bytes, "\x81\x02{}", 4);
    assert_true(slice_equal(frame_payload(frame), SLICE_LITERAL("{}")));
    assert_true(slice_equal(frame_aside(frame), SLICE_LITERAL("mark")));
    assert_int_equal(frame_held_bytes(frame), 8);
    frame_add_deflated(frame, SLICE_LITERAL("x"));
    assert_int_equal(frame_aside(frame->deflated).len, 0);
    struct frame *const twice[] = {frame, frame};
    struct frame *joined = frame_join(twice, 2);
    assert_int_equal(joined->len, 8);
    assert_memory_equal(joined->bytes, "\x81\x02{}\x81\x02{}", 8);
    assert_int_equal(frame_aside(joined).len, 0);
    frame_unref(&joined);
    frame_unref(&frame);
    frame = frame_new(FRAME_TEXT, SLICE_LITERAL("{}"));
    assert_int_equal(frame_aside(frame).len, 0);
    assert_int_equal(frame_opcode_of(frame), FRAME_TEXT);
    frame_unref(&frame);
}

static void frame_unref_nulls_the_pointer_and_accepts_null(void **state)
{
    (void)state;
    struct frame *frame = frame_new(FRAME_TEXT, SLICE_LITERAL("{}"));
    struct frame *second = frame_ref(frame);

    assert_ptr_equal(frame, second);
    frame_unref(&frame);
    assert_null(frame);
    assert_true(slice_equal(frame_payload(second), SLICE_LITERAL("{}")));
    frame_unref(&second);
    frame_unref(&second);
    assert_null(second);
}

static void joined_frames_are_their_bytes_one_after_the_other(void **state)
{
    (void)state;
    struct frame *frames[2] = {frame_new(FRAME_TEXT, SLICE_LITERAL("one")),
                               frame_new(FRAME_TEXT, SLICE_LITERAL("three"))};
    struct frame *joined = frame_join(frames, 2);
    frame_unref(&frames[0]);
    frame_unref(&frames[1]);
    assert_int_equal(joined->len, 2 + 3 + 2 + 5);
    assert_memory_equal(joined->bytes, "\x81\x03one\x81\x05three", joined->len);
    frame_unref(&joined);
}

static void a_frame_may_carry_its_message_compressed(void **state)
{
    (void)state;
    struct frame *frame = frame_new(FRAME_TEXT, SLICE_LITERAL("{\"a\":1}"));

    assert_ptr_equal(frame_variant(frame, true), frame);
    assert_int_equal(frame_held_bytes(frame), 2 + 7);
    frame_add_deflated(frame, SLICE_LITERAL("zzz"));
    assert_ptr_equal(frame_variant(frame, false), frame);
    struct frame *deflated = frame_ref(frame_variant(frame, true));
    assert_ptr_not_equal(deflated, frame);
    assert_int_equal(frame_held_bytes(frame), 2 + 7 + 2 + 3);
    frame_unref(&frame);
    assert_int_equal(deflated->len, 5); /* RSV1, and it outlives the plain one in a queue */
    assert_memory_equal(deflated->bytes, "\xC1\x03zzz", 5);
    frame_unref(&deflated);
}

static void *hold_and_release(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        struct frame *mine = frame_ref(arg);
        frame_unref(&mine);
    }
    struct frame *last = arg;
    frame_unref(&last);
    return NULL;
}

static void frame_is_counted_right_from_several_threads(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct frame *frame = frame_new(FRAME_TEXT, SLICE_LITERAL("shared"));

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hold_and_release, frame_ref(frame)), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&frame->refs), 1);
    frame_unref(&frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_header_has_the_shortest_length_form_of_rfc_6455),
        cmocka_unit_test(frame_opcode_is_in_the_first_byte_and_nothing_is_masked),
        cmocka_unit_test(bytes_beside_a_frame_are_kept_and_are_no_part_of_it),
        cmocka_unit_test(frame_unref_nulls_the_pointer_and_accepts_null),
        cmocka_unit_test(joined_frames_are_their_bytes_one_after_the_other),
        cmocka_unit_test(a_frame_may_carry_its_message_compressed),
        cmocka_unit_test(frame_is_counted_right_from_several_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
