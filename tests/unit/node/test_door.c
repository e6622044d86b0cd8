/* The door: which address counts, and what it may do. Its clock is the real one, so limits are reached at
 * once here, and never waited for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "door.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static char loopback[] = "127.0.0.1", private_network[] = "10.0.0.0/8", slip[] = "10.0.0.1/8";

static struct config config_trusting(char **networks, size_t count)
{
    return (struct config){.proxy_trusted = {.items = networks, .count = count}};
}

static struct config strict(void)
{
    static char *trusted[] = {loopback, private_network};
    return config_trusting(trusted, COUNT(trusted));
}

static struct door *make(const struct config *config)
{
    struct door *door;
    assert_int_equal(door_new(config, &door), ERR_OK);
    return door;
}

static struct address address_of(const char *text)
{
    struct address address;
    assert_true(address_parse(slice_of(text), &address));
    return address;
}

static void expect_address(const struct door *door, const struct ws_request *request, const char *expected)
{
    char text[ADDRESS_TEXT_SIZE];
    struct address address = door_address(door, request);
    address_format(&address, text);
    assert_string_equal(text, expected);
}

static void the_address_is_the_rightmost_that_no_proxy_of_ours_has(void **state)
{
    (void)state;
    static const struct {
        const char *peer, *forwarded, *expected;
    } rows[] = {
        {"127.0.0.1", "203.0.113.7", "203.0.113.7"},
        {"127.0.0.1", "198.51.100.1, 203.0.113.7", "203.0.113.7"},
        {"127.0.0.1", "198.51.100.1,\t203.0.113.7 , 10.1.2.3", "203.0.113.7"},
        {"127.0.0.1", "203.0.113.7:4711", "203.0.113.7"},
        {"10.255.255.255", "[2001:db8::7]:4711", "2001:db8::7"},
        {"::ffff:127.0.0.1", "203.0.113.7", "203.0.113.7"},
        /* Whoever is no proxy of ours may write what he likes. */
        {"203.0.113.9", "198.51.100.1", "203.0.113.9"},
        {"11.0.0.1", "198.51.100.1", "11.0.0.1"},
        /* Nobody vouches for what stands left of something that is no address. */
        {"127.0.0.1", "198.51.100.1, unknown", "127.0.0.1"},
        {"127.0.0.1", "198.51.100.1, unknown, 10.1.2.3", "10.1.2.3"},
        {"127.0.0.1", "198.51.100.1, , 10.1.2.3", "10.1.2.3"},
        {"127.0.0.1", "203.0.113.7,", "127.0.0.1"},
        {"127.0.0.1", "203.0.113.7:99999", "127.0.0.1"},
        {"127.0.0.1", "203.0.113.7 198.51.100.1", "127.0.0.1"},
        {"127.0.0.1", "", "127.0.0.1"},
        /* All of them proxies: the one that is farthest away. */
        {"127.0.0.1", "10.0.0.1, 10.0.0.2", "10.0.0.1"},
        {"not an address", "203.0.113.7", "::"},
    };
    const struct config config = strict();
    struct door *door = make(&config);
    for (size_t at = 0; at < COUNT(rows); at++) {
        const struct ws_request request = {.peer = slice_of(rows[at].peer),
                                           .forwarded_for = {slice_of(rows[at].forwarded)},
                                           .forwarded_for_count = 1};
        expect_address(door, &request, rows[at].expected);
    }
    door_free(&door);
}

static void several_headers_are_read_as_one_list(void **state)
{
    (void)state;
    const struct config config = strict();
    struct door *door = make(&config);
    const struct ws_request request = {
        .peer = SLICE_LITERAL("127.0.0.1"),
        .forwarded_for = {SLICE_LITERAL("198.51.100.1"), SLICE_LITERAL("203.0.113.7, 10.0.0.2"),
                          SLICE_LITERAL("10.0.0.1")},
        .forwarded_for_count = 3,
    };
    expect_address(door, &request, "203.0.113.7");
    /* A value that is no address ends it, whatever stands on earlier lines. */
    struct ws_request cut = request;
    cut.forwarded_for[1] = SLICE_LITERAL("unknown");
    expect_address(door, &cut, "10.0.0.1");
    expect_address(NULL, &request, "127.0.0.1");
    door_free(&door);
}

static void connections_of_an_address_are_counted_until_they_are_given_back(void **state)
{
    (void)state;
    struct config config = strict();
    config.limits_connections_per_address = 2;
    struct door *door = make(&config);
    const struct address one = address_of("203.0.113.7"), other = address_of("203.0.113.8");
    assert_int_equal(door_take(door, &one), DOOR_OPEN);
    assert_int_equal(door_take(door, &one), DOOR_OPEN);
    assert_int_equal(door_take(door, &one), DOOR_ADDRESS_FULL);
    assert_int_equal(door_take(door, &other), DOOR_OPEN);
    door_give(door, &one);
    assert_int_equal(door_take(door, &one), DOOR_OPEN);
    assert_int_equal(door_take(door, &one), DOOR_ADDRESS_FULL);
    door_give(door, &one);
    door_give(door, &one);
    door_give(door, &other);
    door_free(&door);
}

static void an_ipv6_network_of_64_bits_is_one_address(void **state)
{
    (void)state;
    struct config config = strict();
    config.limits_connections_per_address = 1;
    struct door *door = make(&config);
    const struct address one = address_of("2001:db8:0:1::1"), same = address_of("2001:db8:0:1:ffff::2"),
                         other = address_of("2001:db8:0:2::1");
    assert_int_equal(door_take(door, &one), DOOR_OPEN);
    assert_int_equal(door_take(door, &same), DOOR_ADDRESS_FULL);
    assert_int_equal(door_take(door, &other), DOOR_OPEN);
    door_give(door, &one);
    door_give(door, &other);
    door_free(&door);
}

static void trusted_addresses_have_no_limits_of_their_own(void **state)
{
    (void)state;
    struct config config = strict();
    config.limits_connections_per_address = 1;
    config.limits_handshakes_per_address = 1;
    struct door *door = make(&config);
    const struct address proxy = address_of("10.1.2.3");
    for (unsigned at = 0; at < 100; at++) {
        assert_int_equal(door_ask(door, &proxy), DOOR_OPEN);
        assert_int_equal(door_take(door, &proxy), DOOR_OPEN);
    }
    door_give(door, &proxy); /* of nothing that was counted */
    door_free(&door);
}

/* Asks far more often than time passes meanwhile. */
static unsigned count_open(struct door *door, const struct address *address, enum door_verdict refusal)
{
    unsigned open = 0;
    for (unsigned at = 0; at < 1000; at++) {
        enum door_verdict verdict = door_ask(door, address);
        assert_true(verdict == DOOR_OPEN || verdict == refusal);
        open += verdict == DOOR_OPEN;
    }
    return open;
}

static void handshakes_of_one_address_are_slowed_and_others_are_not(void **state)
{
    (void)state;
    struct config config = strict();
    config.limits_handshakes_per_address = 10;
    struct door *door = make(&config);
    const struct address one = address_of("203.0.113.7"), other = address_of("203.0.113.8");
    unsigned open = count_open(door, &one, DOOR_ADDRESS_FAST);
    assert_in_range(open, 20, 200); /* twice the limit at once, and more only as time passes */
    assert_int_equal(door_ask(door, &other), DOOR_OPEN);
    door_free(&door);
}

static void handshakes_of_the_node_are_slowed_whatever_their_address(void **state)
{
    (void)state;
    struct config config = strict();
    config.limits_handshakes_per_s = 10;
    struct door *door = make(&config);
    const struct address one = address_of("203.0.113.7"), proxy = address_of("127.0.0.1");
    assert_in_range(count_open(door, &one, DOOR_NODE_FAST), 10, 200);
    assert_true(count_open(door, &proxy, DOOR_NODE_FAST) < 200); /* a proxy's are the node's, too */
    door_free(&door);
}

static void who_is_refused_for_his_address_takes_nothing_from_the_others(void **state)
{
    (void)state;
    struct config config = strict();
    config.limits_handshakes_per_address = 1;
    config.limits_handshakes_per_s = 100;
    struct door *door = make(&config);
    const struct address one = address_of("203.0.113.7"), other = address_of("203.0.113.8");
    (void)count_open(door, &one, DOOR_ADDRESS_FAST);
    assert_int_equal(door_ask(door, &other), DOOR_OPEN);
    door_free(&door);
}

static void without_limits_everybody_passes(void **state)
{
    (void)state;
    const struct config config = config_trusting(NULL, 0);
    struct door *door = make(&config), *none = NULL;
    const struct address one = address_of("203.0.113.7");
    assert_int_equal(count_open(door, &one, DOOR_OPEN), 1000);
    assert_int_equal(door_take(door, &one), DOOR_OPEN);
    door_give(door, &one);
    assert_null(door_proxies(door));
    door_free(&door);
    assert_int_equal(door_ask(none, &one), DOOR_OPEN);
    assert_int_equal(door_take(none, &one), DOOR_OPEN);
    door_give(none, &one);
    assert_null(door_proxies(none));
    door_free(&none);
}

static void proxies_send_their_protocol_only_when_it_is_on(void **state)
{
    (void)state;
    struct config config = strict();
    struct door *door = make(&config);
    assert_null(door_proxies(door));
    door_free(&door);
    config.proxy_protocol = PROXY_V1V2;
    door = make(&config);
    const struct address proxy = address_of("10.1.2.3"), one = address_of("203.0.113.7");
    assert_true(networks_contain(door_proxies(door), &proxy));
    assert_false(networks_contain(door_proxies(door), &one));
    assert_false(door_is_client(door, SLICE_LITERAL("10.1.2.3")));
    assert_true(door_is_client(door, SLICE_LITERAL("203.0.113.7")));
    assert_true(door_is_client(NULL, SLICE_LITERAL("10.1.2.3")));
    door_free(&door);
}

static void networks_that_are_none_are_refused(void **state)
{
    (void)state;
    char *trusted[] = {loopback, slip};
    const struct config config = config_trusting(trusted, COUNT(trusted));
    struct door *door = NULL;
    assert_int_equal(door_new(&config, &door), ERR_CONFIG);
    assert_null(door);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_address_is_the_rightmost_that_no_proxy_of_ours_has),
        cmocka_unit_test(several_headers_are_read_as_one_list),
        cmocka_unit_test(connections_of_an_address_are_counted_until_they_are_given_back),
        cmocka_unit_test(an_ipv6_network_of_64_bits_is_one_address),
        cmocka_unit_test(trusted_addresses_have_no_limits_of_their_own),
        cmocka_unit_test(handshakes_of_one_address_are_slowed_and_others_are_not),
        cmocka_unit_test(handshakes_of_the_node_are_slowed_whatever_their_address),
        cmocka_unit_test(who_is_refused_for_his_address_takes_nothing_from_the_others),
        cmocka_unit_test(without_limits_everybody_passes),
        cmocka_unit_test(proxies_send_their_protocol_only_when_it_is_on),
        cmocka_unit_test(networks_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
