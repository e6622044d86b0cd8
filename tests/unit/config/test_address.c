#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <roomcast/config/config.h>

static void check(const char *address, const char *expected_host, unsigned expected_port)
{
    char host[256];
    uint16_t port;

    assert_int_equal(config_split_address(address, host, &port), ERR_OK);
    assert_string_equal(host, expected_host);
    assert_int_equal(port, expected_port);
}

static void addresses_split_into_host_and_port(void **state)
{
    (void)state;
    check("0.0.0.0:8080", "0.0.0.0", 8080);
    check("node-1.example.com:65535", "node-1.example.com", 65535);
    check("localhost:0", "localhost", 0);
    check("[::]:8080", "::", 8080);
    check("[2001:db8::1]:1", "2001:db8::1", 1);
    check("[::ffff:127.0.0.1]:1", "::ffff:127.0.0.1", 1);
}

static void everything_else_is_refused_and_the_outputs_stay(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        enum err err;
    } wrong[] = {
        {"", ERR_SYNTAX},          {"8080", ERR_SYNTAX},
        {":8080", ERR_SYNTAX},     {"host", ERR_SYNTAX},
        {"host:", ERR_SYNTAX},     {"host:http", ERR_SYNTAX},
        {"host:-1", ERR_SYNTAX},   {"host:1 ", ERR_SYNTAX},
        {"ho st:1", ERR_SYNTAX},   {"::1:80", ERR_SYNTAX},
        {"[::1]", ERR_SYNTAX},     {"[::1]80", ERR_SYNTAX},
        {"[::1:80", ERR_SYNTAX},   {"[host]:80", ERR_SYNTAX},
        {"[]:80", ERR_SYNTAX},     {"http://a:80", ERR_SYNTAX},
        {"host:65536", ERR_RANGE}, {"host:999999999999", ERR_RANGE},
    };

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char host[256] = "untouched";
        uint16_t port = 7;
        assert_int_equal(config_split_address(wrong[i].address, host, &port), wrong[i].err);
        assert_string_equal(host, "untouched");
        assert_int_equal(port, 7);
    }
}

static void host_names_are_bounded(void **state)
{
    (void)state;
    char address[300], host[256];
    uint16_t port;

    memset(address, 'a', sizeof address);
    memcpy(address + 255, ":80", 4);
    assert_int_equal(config_split_address(address, host, &port), ERR_OK);
    assert_int_equal(strlen(host), 255);
    memset(address, 'a', sizeof address);
    memcpy(address + 256, ":80", 4);
    assert_int_equal(config_split_address(address, host, &port), ERR_TOO_BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_split_into_host_and_port),
        cmocka_unit_test(everything_else_is_refused_and_the_outputs_stay),
        cmocka_unit_test(host_names_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
