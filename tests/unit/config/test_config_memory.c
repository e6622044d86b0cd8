/* Whatever allocation fails while a configuration is read: it is whole, or the start ends with the reason. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "every_allocation.h"
#include "load_fixture.h"

static enum err read_config(void)
{
    static const char *const overrides[] = {"limits.rooms=2", NULL};
    struct load load = {
        .overrides = overrides,
        .yaml = "limits: {rooms: 3, errors: 7}\nredis: {patterns: [a.*, b.*]}\n"
                "events: [{event: order.placed, type: order.new, to: chat}]\n",
        .environment = ARGS("ROOMCAST_AUTH_HMAC_SECRET=0123456789abcdef0123456789abcdef"),
        .args = ARGS("--node-name=one", "--allowed-origins=https://a.example,https://b.example"),
    };
    load_run(&load);
    enum err err = ERR_OK;
    if (load.verdict == CONFIG_RUN) {
        assert_int_equal(load.config->limits_rooms, 3);
        assert_int_equal(load.config->limits_errors, 7);
        assert_int_equal(load.config->redis_patterns.count, 2);
        assert_string_equal(load.config->redis_patterns.items[1], "b.*");
        assert_int_equal(load.config->events_count, 1);
        assert_string_equal(load.config->events[0].type, "order.new");
        assert_string_equal(load.config->node_name, "one");
        assert_string_equal(load.config->auth_hmac_secret, "0123456789abcdef0123456789abcdef");
        assert_int_equal(load.config->allowed_origins.count, 2);
        assert_string_equal(load.errors, "");
    } else {
        assert_int_equal(load.verdict, CONFIG_WRONG);
        if (!strstr(load.errors, "memory"))
            fail_msg("the reason does not name memory: \"%s\"", load.errors);
        err = ERR_NO_MEMORY;
    }
    load_end(&load);
    return err;
}

static void a_configuration_is_whole_or_the_reason_is_told(void **state)
{
    (void)state;
    every_allocation_fails(read_config, false, true);
}

static void without_any_more_memory_the_reason_is_told(void **state)
{
    (void)state;
    every_allocation_fails(read_config, true, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_configuration_is_whole_or_the_reason_is_told),
        cmocka_unit_test(without_any_more_memory_the_reason_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
