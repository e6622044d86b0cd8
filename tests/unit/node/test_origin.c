#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "origin.h"

static bool allowed(const char *pattern, const char *origin, const char *host)
{
    char *items[] = {(char *)pattern};
    struct config_list patterns = {.items = items, .count = pattern ? 1 : 0};
    return origin_allowed(&patterns, slice_of(origin), slice_of(host));
}

static void a_client_without_origin_is_no_browser(void **state)
{
    (void)state;
    assert_true(allowed(NULL, "", "a.example"));
    assert_true(allowed("https://a.example", "", "a.example"));
}

static void without_a_list_only_the_own_origin_may_connect(void **state)
{
    (void)state;
    assert_true(allowed(NULL, "https://a.example", "a.example"));
    assert_true(allowed(NULL, "http://A.example:8080", "a.example:8080"));
    assert_false(allowed(NULL, "http://a.example:8081", "a.example:8080"));
    assert_false(allowed(NULL, "https://a.example.evil.example", "a.example"));
    assert_false(allowed(NULL, "null", "a.example"));
    assert_false(allowed(NULL, "https://", ""));
}

static void a_listed_origin_must_match_whole(void **state)
{
    (void)state;
    assert_true(allowed("https://app.example", "https://APP.example", "x"));
    assert_false(allowed("https://app.example", "http://app.example", "x"));
    assert_false(allowed("https://app.example", "https://app.example.evil", "x"));
}

static void a_star_stands_for_a_subdomain_or_a_port(void **state)
{
    (void)state;
    assert_true(allowed("https://*.example.com", "https://a.example.com", "x"));
    assert_true(allowed("https://*.example.com", "https://a.b.example.com", "x"));
    assert_false(allowed("https://*.example.com", "https://.example.com", "x"));
    assert_false(allowed("https://*.example.com", "https://evil.com/.example.com", "x"));
    assert_false(allowed("https://*.example.com", "https://example.com", "x"));
    assert_true(allowed("http://localhost:*", "http://localhost:5173", "x"));
    assert_true(allowed("*", "null", "x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_without_origin_is_no_browser),
        cmocka_unit_test(without_a_list_only_the_own_origin_may_connect),
        cmocka_unit_test(a_listed_origin_must_match_whole),
        cmocka_unit_test(a_star_stands_for_a_subdomain_or_a_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
