#include "wire_test.h"

#include <stdlib.h>

#include <roomcast/base/buffer.h>
#include <roomcast/wire/stream_request.h>

#define A      "22222222-2222-2222-2222-222222222222"
#define B      "ffffffff-ffff-ffff-ffff-ffffffffffff"
#define NAME_A "IiIiIiIiIiIiIiIiIiIiIg"
#define NAME_B "_____________________w"
#define MAX    3

static enum err read_two(const char *first, const char *second, const char *header,
                         struct stream_cursor **ret)
{
    const struct slice query[] = {slice_of(first), slice_of(second)};
    const struct stream_request request = {
        .query = query, .query_count = 2, .last_event_id = slice_of(header), .max_chats = MAX};
    return stream_request_read(&request, ret);
}

/* The cursor that comes of it, as an id, and its chats. */
static void check_two(const char *first, const char *second, const char *header, unsigned chats,
                      const char *id)
{
    struct stream_cursor *cursor;
    struct buffer out;
    assert_int_equal(read_two(first, second, header, &cursor), ERR_OK);
    assert_int_equal(cursor->count - 1, chats);
    buffer_init(&out, 65536);
    stream_cursor_write(cursor, &out);
    assert_string_equal(buffer_text(&out), id);
    buffer_fini(&out);
    free(cursor);
}

static void check(const char *query, const char *header, unsigned chats, const char *id)
{
    check_two(query, "", header, chats, id);
    check_two("", query, header, chats, id);
}

static void check_error(const char *query, enum err err)
{
    struct stream_cursor *cursor;
    assert_int_equal(read_two(query, "", "", &cursor), err);
}

static void chats_come_in_one_list_or_in_several_each_counted_once(void **state)
{
    (void)state;
    check("", "", 0, "v1");
    check("chats=", "", 0, "v1");
    check("chats=" A, "", 1, "v1");
    check("chats=" A "," B, "", 2, "v1");
    check("chats=" A "%2C" B "&x=1&chats=" B "&chats&=&&", "", 2, "v1");
    check_two("chats=" A, "chats=" B, "", 2, "v1");
    check("chats=FFFFFFFF-FFFF-ffff-ffff-ffffffffffff," B, "", 1, "v1");
    check("achats=x&Chats=x", "", 0, "v1");
}

static void positions_of_chats_are_read(void **state)
{
    (void)state;
    check("chats=" A ":k3x9:7," B, "", 2, "v1~" NAME_A ".k3x9.7");
    check("chats=" A "%3ak3x9%3A7", "", 1, "v1~" NAME_A ".k3x9.7");
    check("chats=" A "," A ":k3x9:7", "", 1, "v1"); /* the first one counts */
}

static void what_is_no_chat_is_an_error(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "chats=x",
        "chats=,",
        "chats=" A ",",
        "chats=," A,
        "chats=" A "," A "x",
        "chats=" A ":",
        "chats=" A ":k",
        "chats=" A ":k:",
        "chats=" A ":k:1:2",
        "chats=" A ":K:1",
        "chats=" A ":k:9007199254740992",
        "chats=%" A,
        "chats={" A "}",
        "chats=" A "%00",
        "chats=" A "+",
        "chats=" A "%2",
        "chats=" A "%2C%2C" B,
    };
    for (size_t i = 0; i < COUNT(wrong); i++)
        check_error(wrong[i], ERR_SYNTAX);
    char text[1000] = "chats=";
    memset(text + 6, 'a', sizeof text - 7);
    check_error(text, ERR_SYNTAX);
}

static void more_chats_than_allowed_are_an_error_and_repeated_ones_are_not_more(void **state)
{
    (void)state;
#define NTH(n) "00000000-0000-0000-0000-00000000000" n
    check("chats=" NTH("1") "," NTH("2") "," NTH("3") "," NTH("1"), "", 3, "v1");
    check_error("chats=" NTH("1") "," NTH("2") "," NTH("3") "," NTH("4"), ERR_TOO_BIG);
    check_error("chats=" NTH("1") "," NTH("2") "&chats=" NTH("3") "&chats=" NTH("4"), ERR_TOO_BIG);
}

static void an_id_gives_back_what_it_was_made_of(void **state)
{
    (void)state;
    static const char id[] = "v1~.u7c1.17~" NAME_A ".k3x9.1042~" NAME_B ".0tp4nft00000001.0";
    check("chats=" A "," B, id, 2, id);
    check("chats=" B, id, 1, "v1~.u7c1.17~" NAME_B ".0tp4nft00000001.0"); /* others are passed over */
    check("", id, 0, "v1~.u7c1.17");
    check("chats=" A, "v1", 1, "v1");
    check("chats=" A, "v1~" NAME_A ".-.0", 1, "v1~" NAME_A ".-.0");
}

static void the_header_counts_before_the_query_and_that_before_the_chats(void **state)
{
    (void)state;
#define QUERY "last_event_id=v1%7E" NAME_A ".b.2&chats=" A ":c:3," B ":c:4"
    check(QUERY, "v1~" NAME_A ".a.1", 2, "v1~" NAME_A ".a.1~" NAME_B ".c.4");
    check(QUERY, "", 2, "v1~" NAME_A ".b.2~" NAME_B ".c.4");
    check("last_event_id=&chats=" A ":c:3", "", 1, "v1~" NAME_A ".c.3");
}

static void an_id_that_cannot_be_read_loses_every_place(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "x",     "1042",      "v1~",      "v1~~",       "v2~.a.1", "v10",       "v1 ",
        "v1~.a", "v1~.a.1.2", "v1~.a.1~", "v1~.a.1~.b", "v1~a.1",  "v1%7E.a.1", /* a header is not encoded */
    };
    for (size_t i = 0; i < COUNT(wrong); i++)
        check("chats=" A ":c:3", wrong[i], 1, "v1~.-.0~" NAME_A ".-.0");
    char text[400] = "v1~";
    memset(text + 3, 'a', sizeof text - 4);
    check("chats=" A, text, 1, "v1~.-.0~" NAME_A ".-.0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chats_come_in_one_list_or_in_several_each_counted_once),
        cmocka_unit_test(positions_of_chats_are_read),
        cmocka_unit_test(what_is_no_chat_is_an_error),
        cmocka_unit_test(more_chats_than_allowed_are_an_error_and_repeated_ones_are_not_more),
        cmocka_unit_test(an_id_gives_back_what_it_was_made_of),
        cmocka_unit_test(the_header_counts_before_the_query_and_that_before_the_chats),
        cmocka_unit_test(an_id_that_cannot_be_read_loses_every_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
