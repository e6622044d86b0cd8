#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <roomcast/base/random.h>
#include <roomcast/core/address_quota.h>

static struct address_quota *make(uint32_t connections, uint32_t handshakes_per_s)
{
    struct address_quota *quota;
    const struct address_quota_rules rules = {connections, handshakes_per_s};
    assert_int_equal(address_quota_new(&rules, &quota), ERR_OK);
    return quota;
}

static struct address at(const char *text)
{
    struct address address;
    assert_true(address_parse(slice_of(text), &address));
    return address;
}

static void each_address_has_a_limit_of_its_own(void **state)
{
    (void)state;
    struct address_quota *quota = make(2, 0);
    struct address a = at("192.0.2.1"), b = at("192.0.2.2");
    assert_int_equal(address_quota_take(quota, &a, 0), ERR_OK);
    assert_int_equal(address_quota_take(quota, &a, 0), ERR_OK);
    assert_int_equal(address_quota_take(quota, &a, 0), ERR_BUSY);
    assert_int_equal(address_quota_take(quota, &b, 0), ERR_OK);
    address_quota_give(quota, &a, 0);
    assert_int_equal(address_quota_take(quota, &a, 0), ERR_OK);
    address_quota_free(&quota);
    assert_null(quota);
}

static void ipv6_addresses_of_one_64_bit_network_count_together(void **state)
{
    (void)state;
    struct address_quota *quota = make(1, 0);
    struct address a = at("2001:db8:1:2::1"), b = at("2001:db8:1:2:ffff::1"), c = at("2001:db8:1:3::1");
    assert_int_equal(address_quota_take(quota, &a, 0), ERR_OK);
    assert_int_equal(address_quota_take(quota, &b, 0), ERR_BUSY);
    assert_int_equal(address_quota_take(quota, &c, 0), ERR_OK);
    address_quota_give(quota, &b, 0); /* the same */
    address_quota_give(quota, &c, 0);
    address_quota_free(&quota);
}

static void the_pace_is_limited_and_comes_back_with_time(void **state)
{
    (void)state;
    struct address_quota *quota = make(0, 5);
    struct address a = at("192.0.2.1"), b = at("192.0.2.2");
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(address_quota_ask(quota, &a, 1000), ERR_OK);
    assert_int_equal(address_quota_ask(quota, &a, 1000), ERR_BUSY);
    assert_int_equal(address_quota_ask(quota, &b, 1000), ERR_OK);
    assert_int_equal(address_quota_ask(quota, &a, 1200), ERR_OK);
    assert_int_equal(address_quota_ask(quota, &a, 1200), ERR_BUSY);
    address_quota_free(&quota);
}

static void a_refusal_does_not_lengthen_the_wait(void **state)
{
    (void)state;
    struct address_quota *quota = make(0, 1);
    struct address a = at("192.0.2.1");
    assert_int_equal(address_quota_ask(quota, &a, 0), ERR_OK);
    assert_int_equal(address_quota_ask(quota, &a, 0), ERR_OK);
    for (uint64_t now_ms = 0; now_ms < 1000; now_ms += 10)
        assert_int_equal(address_quota_ask(quota, &a, now_ms), ERR_BUSY);
    assert_int_equal(address_quota_ask(quota, &a, 1000), ERR_OK);
    address_quota_free(&quota);
}

static void who_has_connections_is_remembered_and_others_only_for_a_while(void **state)
{
    (void)state;
    struct address_quota *quota = make(1, 1);
    struct address holder = at("203.0.113.1"), other = at("203.0.113.2");
    assert_int_equal(address_quota_take(quota, &holder, 0), ERR_OK);
    for (unsigned i = 0; i < 200; i++) {
        char text[32];
        snprintf(text, sizeof text, "10.0.0.%u", i);
        struct address asker = at(text);
        assert_int_equal(address_quota_ask(quota, &asker, i), ERR_OK);
    }
    assert_int_equal(address_quota_entries(quota), 201);
    for (unsigned i = 0; i < 200; i++) {
        char text[32];
        snprintf(text, sizeof text, "10.0.1.%u", i);
        struct address asker = at(text);
        assert_int_equal(address_quota_ask(quota, &asker, 100000), ERR_OK);
    }
    assert_int_equal(address_quota_entries(quota), 201); /* the first 200 have gone */
    assert_int_equal(address_quota_take(quota, &holder, 100000), ERR_BUSY);
    assert_int_equal(address_quota_take(quota, &other, 100000), ERR_OK);
    address_quota_free(&quota);
}

static void a_flood_from_ever_new_addresses_holds_bounded_memory(void **state)
{
    (void)state;
    struct address_quota *quota = make(0, 1);
    for (uint32_t i = 0; i < ADDRESS_QUOTA_IDLE_MAX + 1000; i++) {
        unsigned char bytes[4] = {10, (unsigned char)(i >> 16), (unsigned char)(i >> 8), (unsigned char)i};
        struct address asker = address_of_v4(bytes);
        assert_int_equal(address_quota_ask(quota, &asker, 5), ERR_OK);
    }
    assert_true(address_quota_entries(quota) <= ADDRESS_QUOTA_IDLE_MAX);
    address_quota_free(&quota);
}

int main(void)
{
    if (random_init() != ERR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_address_has_a_limit_of_its_own),
        cmocka_unit_test(ipv6_addresses_of_one_64_bit_network_count_together),
        cmocka_unit_test(the_pace_is_limited_and_comes_back_with_time),
        cmocka_unit_test(a_refusal_does_not_lengthen_the_wait),
        cmocka_unit_test(who_has_connections_is_remembered_and_others_only_for_a_while),
        cmocka_unit_test(a_flood_from_ever_new_addresses_holds_bounded_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
