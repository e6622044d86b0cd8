#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proxy_header.h"

#define V2_SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static struct proxy_header complete(struct slice bytes)
{
    struct proxy_header header;
    assert_int_equal(proxy_header_parse(bytes, &header), PROXY_COMPLETE);
    return header;
}

static void expect(struct slice bytes, size_t size, const char *client)
{
    char text[ADDRESS_TEXT_SIZE];
    struct proxy_header header = complete(bytes);
    assert_int_equal(header.size, size);
    assert_int_equal(header.has_client, client != NULL);
    if (!client)
        return;
    address_format(&header.client, text);
    assert_string_equal(text, client);
}

static void expect_bad(struct slice bytes)
{
    struct proxy_header header;
    assert_int_equal(proxy_header_parse(bytes, &header), PROXY_BAD);
}

static void a_line_names_the_client(void **state)
{
    (void)state;
    expect(SLICE_LITERAL("PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\nGET /ws"), 41, "203.0.113.7");
    expect(SLICE_LITERAL("PROXY TCP6 2001:db8::7 ::1 0 65535\r\n"), 36, "2001:db8::7");
    expect(SLICE_LITERAL("PROXY UNKNOWN\r\nGET"), 15, NULL);
    expect(SLICE_LITERAL("PROXY UNKNOWN whatever follows\r\n"), 32, NULL);
}

static void a_binary_header_names_the_client(void **state)
{
    (void)state;
    expect(SLICE_LITERAL(V2_SIGNATURE "\x21\x11\0\x0C\xCB\0\x71\x07\x0A\0\0\1\x12\x67\0\x50GET"), 28,
           "203.0.113.7");
    expect(SLICE_LITERAL(V2_SIGNATURE "\x21\x11\0\x10\xCB\0\x71\x07\x0A\0\0\1\x12\x67\0\x50\x04\0\1x"), 32,
           "203.0.113.7");
    expect(
        SLICE_LITERAL(V2_SIGNATURE
                      "\x21\x21\0\x24\x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                      "\1\x12\x67\0\x50"),
        52, "2001:db8::7");
}

static void a_proxy_may_speak_for_itself(void **state)
{
    (void)state;
    expect(SLICE_LITERAL(V2_SIGNATURE "\x20\0\0\0"), 16, NULL);
    expect(SLICE_LITERAL(V2_SIGNATURE "\x20\xFF\0\2ab"), 18, NULL);
    expect(SLICE_LITERAL(V2_SIGNATURE "\x21\0\0\0"), 16, NULL);
}

static void what_is_no_header_is_refused_at_the_first_wrong_byte(void **state)
{
    (void)state;
    expect_bad(SLICE_LITERAL("GET /ws HTTP/1.1\r\n"));
    expect_bad(SLICE_LITERAL("\x16\x03\x01"));
    expect_bad(SLICE_LITERAL("PROXY\r\n"));
    expect_bad(SLICE_LITERAL("\r\n\r\nGET"));
}

static void a_line_with_a_fault_is_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "PROXY \r\n",
        "PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\n",
        "PROXY TCP4 203.0.113.7 10.0.0.1 4711\r\n",
        "PROXY TCP4 203.0.113.7 10.0.0.1 4711 80 9\r\n",
        "PROXY TCP4 203.0.113.7 10.0.0.1 4711 65536\r\n",
        "PROXY TCP4 203.0.113.7 10.0.0.1 x 80\r\n",
        "PROXY TCP4  203.0.113.7 10.0.0.1 4711 80\r\n",
        "PROXY TCP4 203.0.113.256 10.0.0.1 4711 80\r\n",
        "PROXY TCP4 2001:db8::7 ::1 4711 80\r\n",
        "PROXY TCP6 203.0.113.7 10.0.0.1 4711 80\r\n",
        "PROXY UDP4 203.0.113.7 10.0.0.1 4711 80\r\n",
        "PROXY unknown\r\n",
    };
    for (size_t at = 0; at < sizeof lines / sizeof lines[0]; at++)
        expect_bad(slice_of(lines[at]));
}

static void a_line_without_end_is_refused(void **state)
{
    (void)state;
    char bytes[108] = "PROXY UNKNOWN ";
    struct proxy_header header;
    memset(bytes + 14, 'x', sizeof bytes - 14);
    assert_int_equal(proxy_header_parse((struct slice){bytes, 106}, &header), PROXY_INCOMPLETE);
    expect_bad((struct slice){bytes, 107});
}

static void a_binary_header_with_a_fault_is_refused(void **state)
{
    (void)state;
    expect_bad(SLICE_LITERAL(V2_SIGNATURE "\x11\x11\0\0")); /* version */
    expect_bad(SLICE_LITERAL(V2_SIGNATURE "\x22\x11\0\0")); /* command */
    expect_bad(SLICE_LITERAL(V2_SIGNATURE "\x21\x12\0\0")); /* datagrams */
    expect_bad(SLICE_LITERAL(V2_SIGNATURE "\x21\x11\0\x04"
                                          "abcd"));             /* too short for its addresses */
    expect_bad(SLICE_LITERAL(V2_SIGNATURE "\x21\x11\xFF\xFF")); /* longer than any honest one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_names_the_client),
        cmocka_unit_test(a_binary_header_names_the_client),
        cmocka_unit_test(a_proxy_may_speak_for_itself),
        cmocka_unit_test(what_is_no_header_is_refused_at_the_first_wrong_byte),
        cmocka_unit_test(a_line_with_a_fault_is_refused),
        cmocka_unit_test(a_line_without_end_is_refused),
        cmocka_unit_test(a_binary_header_with_a_fault_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
