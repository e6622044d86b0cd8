#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <roomcast/base/address.h>

static struct address parse(const char *text)
{
    struct address address;
    assert_true(address_parse(slice_of(text), &address));
    return address;
}

static void an_address_is_written_as_it_was_read(void **state)
{
    (void)state;
    static const char *const texts[] = {"192.0.2.7", "0.0.0.0", "2001:db8::7", "::", "::1"};
    for (size_t at = 0; at < sizeof texts / sizeof texts[0]; at++) {
        char text[ADDRESS_TEXT_SIZE];
        struct address address = parse(texts[at]);
        address_format(&address, text);
        assert_string_equal(text, texts[at]);
    }
}

static void an_ipv4_address_in_ipv6_form_is_the_same(void **state)
{
    (void)state;
    struct address a = parse("::ffff:192.0.2.7"), b = parse("192.0.2.7");
    assert_memory_equal(&a, &b, sizeof a);
    assert_true(address_is_v4(&a));
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",          "unknown",    "1.2.3",     "1.2.3.4.5",
                                        "1.2.3.256", " 1.2.3.4",   "1.2.3.4 ",  "1.2.3.4:80",
                                        "[::1]",     "::1%eth0",   "01.2.3.4x", "localhost",
                                        "::g",       "1.2.3.4/32", ":::",       "1:2:3:4:5:6:7:8:9"};
    struct address address;
    for (size_t at = 0; at < sizeof texts / sizeof texts[0]; at++)
        assert_false(address_parse(slice_of(texts[at]), &address));
    assert_false(address_parse((struct slice){"1.2.3.4\0x", 9}, &address));
}

static void proxies_may_add_a_port_and_brackets(void **state)
{
    (void)state;
    static const struct {
        const char *text, *address;
    } rows[] = {{"192.0.2.7", "192.0.2.7"},
                {"192.0.2.7:80", "192.0.2.7"},
                {"::1", "::1"},
                {"[::1]", "::1"},
                {"[2001:db8::7]:65535", "2001:db8::7"}};
    struct address address;
    char text[ADDRESS_TEXT_SIZE];
    for (size_t at = 0; at < sizeof rows / sizeof rows[0]; at++) {
        assert_true(address_parse_node(slice_of(rows[at].text), &address));
        address_format(&address, text);
        assert_string_equal(text, rows[at].address);
    }
    static const char *const wrong[] = {
        "",   "unknown", "_hidden", "192.0.2.7:",     "192.0.2.7:x",     "[::1", "[::1]x", "[::1]:",
        "[]", "[",       ":80",     "[192.0.2.7]:80", "192.0.2.7:123456"};
    for (size_t at = 0; at < sizeof wrong / sizeof wrong[0]; at++)
        assert_false(address_parse_node(slice_of(wrong[at]), &address));
}

static bool contains(const char *network_text, const char *address_text)
{
    struct network network;
    struct address address = parse(address_text);
    assert_true(network_parse(slice_of(network_text), &network));
    return network_contains(&network, &address);
}

static void a_network_contains_what_begins_like_it(void **state)
{
    (void)state;
    assert_true(contains("10.0.0.0/8", "10.255.1.2"));
    assert_false(contains("10.0.0.0/8", "11.0.0.0"));
    assert_true(contains("192.0.2.128/25", "192.0.2.255"));
    assert_false(contains("192.0.2.128/25", "192.0.2.127"));
    assert_true(contains("192.0.2.7", "192.0.2.7"));
    assert_false(contains("192.0.2.7", "192.0.2.6"));
    assert_true(contains("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(contains("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(contains("0.0.0.0/0", "203.0.113.9"));
    assert_false(contains("0.0.0.0/0", "2001:db8::1"));
    assert_true(contains("::/0", "203.0.113.9"));
}

static void what_is_no_network_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",           "/",      "/8",           "10.0.0.0/",    "10.0.0.0/33",
        "10.0.0.1/8", "::/129", "10.0.0.0/-1",  "10.0.0.0/8/8", "10.0.0.0/0x8",
        "::1/64",     "10/8",   "10.0.0.0/1000"};
    struct network network;
    for (size_t at = 0; at < sizeof texts / sizeof texts[0]; at++)
        assert_false(network_parse(slice_of(texts[at]), &network));
}

static void a_list_of_networks_is_good_as_a_whole_or_not_at_all(void **state)
{
    (void)state;
    char a[] = "10.0.0.0/8", b[] = "::1", c[] = "nonsense";
    char *texts[] = {a, b, c};
    struct networks networks = {0};
    assert_int_equal(networks_new(texts, 3, &networks), ERR_SYNTAX);
    assert_null(networks.items);
    assert_int_equal(networks_new(texts, 2, &networks), ERR_OK);
    struct address inside = parse("::1"), outside = parse("::2");
    assert_true(networks_contain(&networks, &inside));
    assert_false(networks_contain(&networks, &outside));
    networks_fini(&networks);
    assert_false(networks_contain(&networks, &inside));
}

static void a_subscriber_is_an_ipv4_address_or_64_bits(void **state)
{
    (void)state;
    struct address a = parse("2001:db8:1:2:3::4"), b = parse("2001:db8:1:2:ffff::"), c = parse("192.0.2.7");
    struct address of_a = address_subscriber(&a), of_b = address_subscriber(&b),
                   of_c = address_subscriber(&c);
    assert_memory_equal(&of_a, &of_b, sizeof of_a);
    assert_memory_equal(&of_c, &c, sizeof c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_written_as_it_was_read),
        cmocka_unit_test(an_ipv4_address_in_ipv6_form_is_the_same),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(proxies_may_add_a_port_and_brackets),
        cmocka_unit_test(a_network_contains_what_begins_like_it),
        cmocka_unit_test(what_is_no_network_is_refused),
        cmocka_unit_test(a_list_of_networks_is_good_as_a_whole_or_not_at_all),
        cmocka_unit_test(a_subscriber_is_an_ipv4_address_or_64_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
