#include "wire_test.h"

#include <string.h>

#include <roomcast/wire/dead_letter_json.h>

static struct dead_letter_json letter(struct slice event)
{
    return (struct dead_letter_json){.id = SLICE_LITERAL("15-1"),
                                     .reason = SLICE_LITERAL("no chat"),
                                     .source = SLICE_LITERAL("s 14-0"),
                                     .ts = SLICE_LITERAL("2026-11-26T22:09:31.007Z"),
                                     .event = event};
}

static void expect(const struct dead_letter_json *letter, size_t text_max, const char *text)
{
    struct buffer out;
    buffer_init(&out, 64 * 1024);
    dead_letter_json_write(letter, text_max, &out);
    assert_string_equal(buffer_text(&out), text);
    buffer_fini(&out);
}

#define HEAD                                                                                                 \
    "{\"entry\":\"15-1\",\"ts\":\"2026-11-26T22:09:31.007Z\",\"reason\":\"no chat\",\"source\":\"s 14-0\""

static void a_letter_is_written_with_its_type_and_with_its_text_when_that_is_asked_for(void **state)
{
    (void)state;
    struct dead_letter_json one = letter(SLICE_LITERAL("{\"event_type\":\"a.b\"}"));

    expect(&one, 0, HEAD ",\"event_type\":\"a.b\",\"bytes\":20,\"truncated\":false}");
    expect(&one, 24,
           HEAD ",\"event_type\":\"a.b\",\"bytes\":20,\"truncated\":false,"
                "\"text\":\"{\\\"event_type\\\":\\\"a.b\\\"}\"}");
    expect(&one, 4,
           HEAD ",\"event_type\":\"a.b\",\"bytes\":20,\"truncated\":false,"
                "\"text\":\"{\\\"e\",\"text_cut\":true}");
    expect(&one, 2, /* no half of what is escaped */
           HEAD ",\"event_type\":\"a.b\",\"bytes\":20,\"truncated\":false,"
                "\"text\":\"{\",\"text_cut\":true}");
    one.is_truncated = true;
    one.event = (struct slice){.len = 0};
    expect(&one, 9, HEAD ",\"bytes\":0,\"truncated\":true,\"text\":\"\"}");
}

static void what_is_no_event_has_no_type(void **state)
{
    (void)state;
    static const char *const events[] = {"[]", "{}", "{\"event_type\":1}", "x"};
    for (size_t i = 0; i < COUNT(events); i++) {
        struct dead_letter_json one = letter(slice_of(events[i]));
        struct buffer out;
        buffer_init(&out, 4096);
        dead_letter_json_write(&one, 0, &out);
        assert_null(strstr(buffer_text(&out), "event_type"));
        buffer_fini(&out);
    }
}

static void strange_bytes_become_text_and_long_reasons_are_cut(void **state)
{
    (void)state;
    struct dead_letter_json one = letter(SLICE_LITERAL("\xff\0<\"\x1b"));
    char reason[5000];
    struct buffer out;

    expect(&one, 100, HEAD ",\"bytes\":5,\"truncated\":false,\"text\":\"\xef\xbf\xbd\\u0000<\\\"\\u001b\"}");
    memset(reason, 'r', sizeof reason);
    one.reason = (struct slice){reason, sizeof reason};
    buffer_init(&out, 4096);
    dead_letter_json_write(&one, 0, &out);
    assert_false(buffer_failed(&out));
    assert_in_range(out.len, 256, 600);
    buffer_fini(&out);
}

static void whatever_the_bytes_are_it_has_the_room_that_the_header_says(void **state)
{
    (void)state;
    static char bytes[20000];
    for (unsigned byte = 0; byte < 256; byte++) {
        memset(bytes, (int)byte, sizeof bytes);
        struct dead_letter_json one = letter((struct slice){bytes, sizeof bytes});
        struct buffer out;
        one.id = one.reason = one.source = one.ts = one.event;
        for (size_t text_max = 0; text_max < 20000; text_max += 9973) {
            buffer_init(&out, DEAD_LETTER_JSON_BYTES + text_max);
            dead_letter_json_write(&one, text_max, &out);
            assert_false(buffer_failed(&out));
            buffer_fini(&out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_letter_is_written_with_its_type_and_with_its_text_when_that_is_asked_for),
        cmocka_unit_test(what_is_no_event_has_no_type),
        cmocka_unit_test(strange_bytes_become_text_and_long_reasons_are_cut),
        cmocka_unit_test(whatever_the_bytes_are_it_has_the_room_that_the_header_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
