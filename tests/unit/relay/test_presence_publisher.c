#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <roomcast/base/metrics.h>

#include "presence_publisher.h"

/* Nobody answers there: what is to be published waits, and is dropped and counted at the end. */
static char no_redis[] = "redis://127.0.0.1:1";
#define LEASE_MS 1000u
#define NOW_MS   1000000u
#define KEPT_MS  (3u * LEASE_MS + 1000u)

static struct {
    struct config config;
    struct tenure tenure;
    struct presence_publisher *publisher;
    struct room_key chat, user;
    int64_t dropped;
} world;

static int setup(void **state)
{
    const struct uuid id = {.bytes = {0x11}};
    char problem[256];
    (void)state;
    memset(&world, 0, sizeof world);
    world.config.redis_url = no_redis;
    world.config.relay_lease_ms = LEASE_MS;
    tenure_init(&world.tenure);
    room_key_for_chat(&id, &world.chat);
    assert_int_equal(room_key_for_user(SLICE_LITERAL("anna"), &world.user), ERR_OK);
    world.dropped = metrics_get(METRIC_RELAY_PRESENCE_DROPPED);
    assert_int_equal(presence_publisher_new(&world.config, &world.tenure, &world.publisher, problem), ERR_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    presence_publisher_free(&world.publisher);
    return 0;
}

static void become_active(void)
{
    tenure_begin(&world.tenure);
    tenure_extend(&world.tenure, UINT64_MAX);
}

static void tell(unsigned times, uint64_t now_ms)
{
    for (unsigned i = 0; i < times; i++)
        presence_publisher_tell(world.publisher, &world.chat, &world.user, i % 2 == 0, now_ms);
}

static int64_t dropped(void)
{
    return metrics_get(METRIC_RELAY_PRESENCE_DROPPED) - world.dropped;
}

/* How many waited for Redis. */
static int64_t waiting(void)
{
    int64_t before = dropped();
    presence_publisher_free(&world.publisher);
    return dropped() - before;
}

static void no_more_wait_for_redis_than_may_and_the_others_are_counted(void **state)
{
    (void)state;
    become_active();
    tell(PRESENCE_QUEUE_MAX, NOW_MS);
    assert_int_equal(dropped(), 0);
    tell(3, NOW_MS);
    assert_int_equal(dropped(), 3);
    assert_int_equal(waiting(), PRESENCE_QUEUE_MAX);
}

static void what_another_relay_has_to_tell_is_not_told(void **state)
{
    (void)state;
    tell(5, NOW_MS);
    presence_publisher_run(world.publisher, NOW_MS);
    assert_int_equal(waiting(), 0);
    assert_int_equal(dropped(), 0);
}

static void a_relay_that_takes_over_tells_the_last_seconds_once(void **state)
{
    (void)state;
    tell(7, NOW_MS);     /* too long ago by one */
    tell(3, NOW_MS + 1); /* just not */
    tell(2, NOW_MS + KEPT_MS);
    become_active();
    presence_publisher_run(world.publisher, NOW_MS + KEPT_MS + 1);
    presence_publisher_run(world.publisher, NOW_MS + KEPT_MS + 1);
    assert_int_equal(waiting(), 5);
}

static void what_was_kept_is_told_with_the_next_change(void **state)
{
    (void)state;
    tell(2, NOW_MS);
    become_active();
    tell(1, NOW_MS + 1);
    assert_int_equal(waiting(), 3);
}

static void a_relay_that_may_not_work_just_now_keeps_what_it_hears(void **state)
{
    (void)state;
    become_active();
    tenure_extend(&world.tenure, 0);
    tell(4, NOW_MS);
    presence_publisher_run(world.publisher, NOW_MS);
    tenure_extend(&world.tenure, UINT64_MAX);
    presence_publisher_run(world.publisher, NOW_MS + 1);
    assert_int_equal(waiting(), 4);
}

static void no_more_is_kept_than_may_wait_for_redis(void **state)
{
    (void)state;
    tell(PRESENCE_QUEUE_MAX + 10, NOW_MS);
    become_active();
    presence_publisher_run(world.publisher, NOW_MS);
    assert_int_equal(dropped(), 0);
    assert_int_equal(waiting(), PRESENCE_QUEUE_MAX);
}

static void an_address_of_redis_that_is_none_is_refused(void **state)
{
    struct presence_publisher *other = NULL;
    char problem[256] = "", url[] = "http://127.0.0.1";
    (void)state;
    world.config.redis_url = url;
    assert_int_equal(presence_publisher_new(&world.config, &world.tenure, &other, problem), ERR_CONFIG);
    assert_null(other);
    assert_string_not_equal(problem, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_more_wait_for_redis_than_may_and_the_others_are_counted),
        TEST(what_another_relay_has_to_tell_is_not_told),
        TEST(a_relay_that_takes_over_tells_the_last_seconds_once),
        TEST(what_was_kept_is_told_with_the_next_change),
        TEST(a_relay_that_may_not_work_just_now_keeps_what_it_hears),
        TEST(no_more_is_kept_than_may_wait_for_redis),
        TEST(an_address_of_redis_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
