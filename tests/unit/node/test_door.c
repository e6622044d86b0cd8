/* From which address a client comes, and how many and how fast they may come from there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "door.h"

static char *trusted[] = {(char *)"10.0.0.0/8", (char *)"127.0.0.1"};

static struct door *make(const struct config *config)
{
    struct door *door = NULL;
    assert_int_equal(door_new(config, &door), ERR_OK);
    return door;
}

static struct config behind_proxies(void)
{
    return (struct config){.proxy_trusted = {.items = trusted, .count = 2}};
}

static struct address address(const char *text)
{
    struct address parsed;
    assert_true(address_parse(slice_of(text), &parsed));
    return parsed;
}

static void expect_address(const struct door *door, const char *peer, const char *const *lines,
                           const char *wanted)
{
    struct ws_request request = {.peer = slice_of(peer)};
    char text[ADDRESS_TEXT_SIZE];
    for (; *lines; lines++)
        request.forwarded_for[request.forwarded_for_count++] = slice_of(*lines);
    struct address found = door_address(door, &request);
    address_format(&found, text);
    assert_string_equal(text, wanted);
}

#define LINES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_LINES   ((const char *const[]){NULL})

static void nobody_but_a_trusted_proxy_says_where_a_client_comes_from(void **state)
{
    (void)state;
    struct config config = behind_proxies();
    struct door *door = make(&config);
    expect_address(door, "203.0.113.9", LINES("198.51.100.1"), "203.0.113.9");
    expect_address(door, "10.1.2.3", LINES("198.51.100.1"), "198.51.100.1");
    expect_address(door, "10.1.2.3", LINES("198.51.100.1:4711"), "198.51.100.1");
    expect_address(door, "10.1.2.3", NO_LINES, "10.1.2.3");
    expect_address(NULL, "203.0.113.9", LINES("198.51.100.1"), "203.0.113.9");
    door_free(&door);
    assert_null(door);
    door_free(&door);
}

static void the_rightmost_that_is_no_proxy_counts_over_all_lines(void **state)
{
    (void)state;
    struct config config = behind_proxies();
    struct door *door = make(&config);
    expect_address(door, "10.1.2.3", LINES("192.0.2.1, 198.51.100.1 ,\t10.9.9.9"), "198.51.100.1");
    expect_address(door, "10.1.2.3", LINES("192.0.2.1, 198.51.100.1", "10.9.9.9, 127.0.0.1"), "198.51.100.1");
    expect_address(door, "10.1.2.3", LINES("198.51.100.1", "192.0.2.1"), "192.0.2.1");
    door_free(&door);
}

static void what_stands_left_of_something_unreadable_is_not_believed(void **state)
{
    (void)state;
    struct config config = behind_proxies();
    struct door *door = make(&config);
    expect_address(door, "10.1.2.3", LINES("198.51.100.1, unknown"), "10.1.2.3");
    expect_address(door, "10.1.2.3", LINES("198.51.100.1, , 10.4.4.4"), "10.4.4.4");
    expect_address(door, "10.1.2.3", LINES("198.51.100.1", "unknown, 10.4.4.4"), "10.4.4.4");
    door_free(&door);
}

static void an_address_may_have_so_many_connections_and_a_proxy_any_number(void **state)
{
    (void)state;
    struct config config = behind_proxies();
    config.limits_connections_per_address = 2;
    struct door *door = make(&config);
    const struct address one = address("203.0.113.9"), other = address("203.0.113.10"),
                         proxy = address("10.1.2.3");
    assert_int_equal(door_take(door, &one), DOOR_OPEN);
    assert_int_equal(door_take(door, &one), DOOR_OPEN);
    assert_int_equal(door_take(door, &one), DOOR_ADDRESS_FULL);
    assert_int_equal(door_take(door, &other), DOOR_OPEN);
    for (int i = 0; i < 5; i++)
        assert_int_equal(door_take(door, &proxy), DOOR_OPEN);
    door_give(door, &one);
    assert_int_equal(door_take(door, &one), DOOR_OPEN);
    assert_int_equal(door_take(door, &one), DOOR_ADDRESS_FULL);
    door_free(&door);
}

static void who_is_refused_for_its_address_takes_nothing_away_from_the_others(void **state)
{
    (void)state;
    struct config config = {.limits_handshakes_per_address = 1, .limits_handshakes_per_s = 3};
    struct door *door = make(&config);
    const struct address one = address("203.0.113.9"), other = address("203.0.113.10");
    unsigned open = 0;
    for (int i = 0; i < 50; i++)
        open += door_ask(door, &one) == DOOR_OPEN;
    assert_in_range(open, 1, 3); /* twice the pace at once, and what a slow machine makes of it */
    assert_int_equal(door_ask(door, &other), DOOR_OPEN);
    door_free(&door);
}

static void the_pace_of_all_handshakes_is_limited_for_proxies_too(void **state)
{
    (void)state;
    struct config config = behind_proxies();
    config.limits_handshakes_per_s = 2;
    struct door *door = make(&config);
    const struct address proxy = address("10.1.2.3");
    unsigned fast = 0;
    for (int i = 0; i < 100; i++)
        fast += door_ask(door, &proxy) == DOOR_NODE_FAST;
    assert_true(fast > 50);
    door_free(&door);
}

static void without_limits_the_door_is_open(void **state)
{
    (void)state;
    struct config config = {.limits_connections_per_address = 0};
    struct door *door = make(&config);
    const struct address one = address("203.0.113.9");
    for (int i = 0; i < 100; i++) {
        assert_int_equal(door_ask(door, &one), DOOR_OPEN);
        assert_int_equal(door_take(door, &one), DOOR_OPEN);
        assert_int_equal(door_ask(NULL, &one), DOOR_OPEN);
        assert_int_equal(door_take(NULL, &one), DOOR_OPEN);
    }
    door_give(door, &one);
    door_give(NULL, &one);
    door_free(&door);
}

static void proxies_send_the_proxy_protocol_only_when_it_is_on(void **state)
{
    (void)state;
    struct config config = behind_proxies();
    struct door *door = make(&config);
    assert_null(door_proxies(door));
    assert_null(door_proxies(NULL));
    door_free(&door);
    config.proxy_protocol = PROXY_V1V2;
    door = make(&config);
    const struct address proxy = address("10.1.2.3");
    assert_true(networks_contain(door_proxies(door), &proxy));
    door_free(&door);
}

static void what_is_no_list_of_networks_is_refused(void **state)
{
    (void)state;
    char *wrong[] = {(char *)"10.0.0.1/8"};
    const struct config config = {.proxy_trusted = {.items = wrong, .count = 1}};
    struct door *door = NULL;
    assert_int_equal(door_new(&config, &door), ERR_CONFIG);
    assert_null(door);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_but_a_trusted_proxy_says_where_a_client_comes_from),
        cmocka_unit_test(the_rightmost_that_is_no_proxy_counts_over_all_lines),
        cmocka_unit_test(what_stands_left_of_something_unreadable_is_not_believed),
        cmocka_unit_test(an_address_may_have_so_many_connections_and_a_proxy_any_number),
        cmocka_unit_test(who_is_refused_for_its_address_takes_nothing_away_from_the_others),
        cmocka_unit_test(the_pace_of_all_handshakes_is_limited_for_proxies_too),
        cmocka_unit_test(without_limits_the_door_is_open),
        cmocka_unit_test(proxies_send_the_proxy_protocol_only_when_it_is_on),
        cmocka_unit_test(what_is_no_list_of_networks_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
