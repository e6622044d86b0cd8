#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <string.h>

#include "ws_address.h"

static void an_address_is_split_into_its_parts(void **state)
{
    static const struct {
        const char *url;
        struct ws_address parts;
    } cases[] = {
        {"ws://a", {false, "a", 80, "a", ""}},
        {"wss://a.example/ws", {true, "a.example", 443, "a.example", "/ws"}},
        {"ws://127.0.0.1:8080/ws?x=1", {false, "127.0.0.1", 8080, "127.0.0.1:8080", "/ws?x=1"}},
        {"ws://a:65535?x", {false, "a", 65535, "a:65535", "?x"}},
        {"wss://[::1]", {true, "::1", 443, "[::1]", ""}},
        {"ws://[2001:db8::7]:1/", {false, "2001:db8::7", 1, "[2001:db8::7]:1", "/"}},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ws_address parts;
        assert_null(ws_address_split(cases[i].url, &parts));
        assert_int_equal(parts.is_secured, cases[i].parts.is_secured);
        assert_string_equal(parts.host, cases[i].parts.host);
        assert_int_equal(parts.port, cases[i].parts.port);
        assert_string_equal(parts.authority, cases[i].parts.authority);
        assert_string_equal(parts.path, cases[i].parts.path);
    }
}

static void what_is_none_is_refused_and_nothing_is_written(void **state)
{
    static const char *const wrong[] = {
        "",          "http://a",    "ws:/a",      "ws://",        "ws://:80",       "ws:///ws",    "ws://a:",
        "ws://a:0",  "ws://a:x",    "ws://a:1 ",  "ws://a:65536", "ws://me@a",      "ws://a#x",    "ws://a b",
        "ws://[::1", "ws://[::1]x", "ws://[]:80", "ws://a\r\nX:", "ws://\xc3\xa9/", "ws://u:p@a/",
    };
    char longest[8192];
    struct ws_address parts = {.port = 7};
    (void)state;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_non_null(ws_address_split(wrong[i], &parts));
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    memcpy(longest, "ws://", 5);
    assert_non_null(ws_address_split(longest, &parts));
    memcpy(longest, "ws://a/", 7);
    assert_non_null(ws_address_split(longest, &parts));
    assert_int_equal(parts.port, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_split_into_its_parts),
        cmocka_unit_test(what_is_none_is_refused_and_nothing_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
