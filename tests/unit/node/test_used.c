/* One-time tokens of nodes that share an in-process bus. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/random.h>

#include "used.h"

#define WAIT_MS  20000
#define LEEWAY_S 30
#define LIMIT    5000

static struct config config = {.nats_prefix = (char *)"test", .auth_leeway_s = LEEWAY_S};
static struct bus *bus;
static struct used *here, *there;

static int start(void **state)
{
    (void)state;
    const struct bus_memory_options options = {.prefix = "test", .max_bytes = 1u << 20};
    const struct bus_callbacks callbacks = {.on_event = NULL};
    return random_init() == ERR_OK && bus_memory_new(&options, &callbacks, &bus) == ERR_OK &&
                   used_new(&config, bus, LIMIT, &here) == ERR_OK && used_start(here) == ERR_OK &&
                   used_new(&config, bus, 2, &there) == ERR_OK && used_start(there) == ERR_OK
               ? 0
               : -1;
}

static int stop(void **state)
{
    (void)state;
    used_stop(here);
    used_stop(there);
    bus_free(&bus);
    used_free(&here);
    used_free(&there);
    return here || there ? -1 : 0;
}

static uint64_t now_s(void)
{
    return clock_wall_ms() / 1000;
}

/* The token with that number, of anna. */
static enum err take_until(struct used *used, unsigned number, uint64_t expires_at, struct token_use *ret_use)
{
    struct room_key user;
    char id[16];
    const char *reason = NULL;
    assert_int_equal(room_key_for_user(SLICE_LITERAL("anna"), &user), ERR_OK);
    snprintf(id, sizeof id, "%u", number);
    struct token_claims claims = {.user = room_key_store(&user), .id = strdup(id), .expires_at = expires_at};
    enum err err = used_take(used, &claims, ret_use, &reason);
    assert_true((err == ERR_OK) == (reason == NULL));
    token_claims_release(&claims);
    return err;
}

static enum err take(struct used *used, unsigned number, struct token_use *ret_use)
{
    return take_until(used, number, now_s() + 1000, ret_use);
}

static void wait_a_little(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void eventually_used(struct used *used, unsigned number)
{
    uint64_t end_ms = clock_monotonic_ms() + WAIT_MS;
    struct token_use use;
    enum err err;
    while ((err = take(used, number, &use)) != ERR_FORBIDDEN && clock_monotonic_ms() < end_ms) {
        if (err == ERR_OK)
            used_give_back(used, &use);
        wait_a_little();
    }
    assert_int_equal(err, ERR_FORBIDDEN);
}

static void while_the_option_is_off_a_token_is_good_many_times(void **state)
{
    (void)state;
    struct token_claims claims = {.id = NULL};
    struct token_use use;
    const char *reason;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(used_take(NULL, &claims, &use, &reason), ERR_OK);
        used_tell(NULL, &use);
    }
    used_give_back(NULL, &use);
    used_expire(NULL);
    used_stop(NULL);
}

static void a_token_is_good_once_or_again_when_it_was_given_back(void **state)
{
    (void)state;
    struct token_use use;
    assert_int_equal(take(here, 1, &use), ERR_OK);
    assert_int_equal(take(here, 1, &use), ERR_FORBIDDEN);
    assert_int_equal(take(here, 2, &use), ERR_OK);
    used_give_back(here, &use);
    assert_int_equal(take(here, 2, &use), ERR_OK);
    assert_int_equal(take(here, 1, &use), ERR_FORBIDDEN);
}

static void eventually_rejected(int64_t count)
{
    uint64_t end_ms = clock_monotonic_ms() + WAIT_MS;
    while (metrics_get(METRIC_ENVELOPES_BAD) != count && clock_monotonic_ms() < end_ms)
        wait_a_little();
    assert_int_equal(metrics_get(METRIC_ENVELOPES_BAD), count);
}

static void another_node_is_told_and_only_of_whom_is_let_in(void **state)
{
    (void)state;
    struct token_use given_back, use;
    int64_t bad = metrics_get(METRIC_ENVELOPES_BAD);
    assert_int_equal(take(here, 1, &given_back), ERR_OK);
    used_give_back(here, &given_back);
    assert_int_equal(take(here, 2, &use), ERR_OK);
    used_tell(here, &use);
    eventually_used(there, 2);
    assert_int_equal(take(there, 1, &use), ERR_OK);
    assert_int_equal(bus_publish(bus, "test.sig.used", SLICE_LITERAL("\xff")), ERR_OK);
    eventually_rejected(bad + 2); /* and not its own signal, which came back before */
    assert_int_equal(take(here, 2, &use), ERR_FORBIDDEN);
}

static void
a_token_that_another_node_lets_in_while_it_is_taken_here_is_not_free_when_it_is_given_back(void **state)
{
    (void)state;
    struct token_use use, again;
    int64_t bad = metrics_get(METRIC_ENVELOPES_BAD);
    assert_int_equal(take(here, 1, &use), ERR_OK);
    used_tell(there, &use);
    assert_int_equal(bus_publish(bus, "test.sig.used", SLICE_LITERAL("\xff")), ERR_OK);
    eventually_rejected(bad + 2); /* and what came before it is known */
    used_give_back(here, &use);
    assert_int_equal(take(here, 1, &again), ERR_FORBIDDEN);
}

static void what_is_no_signal_is_counted(void **state)
{
    (void)state;
    int64_t bad = metrics_get(METRIC_ENVELOPES_BAD);
    assert_int_equal(bus_publish(bus, "test.sig.used", SLICE_LITERAL("\xff")), ERR_OK);
    eventually_rejected(bad + 2); /* by both nodes */
}

static void a_full_node_refuses_new_tokens_and_knows_the_old(void **state)
{
    (void)state;
    struct token_use use;
    int64_t bad = metrics_get(METRIC_ENVELOPES_BAD);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(take(there, i, &use), ERR_OK);
    assert_int_equal(take(there, 2, &use), ERR_BUSY);
    assert_int_equal(take(here, 3, &use), ERR_OK);
    used_tell(here, &use);
    assert_int_equal(bus_publish(bus, "test.sig.used", SLICE_LITERAL("\xff")), ERR_OK);
    eventually_rejected(bad + 2); /* what came before is no fault of the sender */
    assert_int_equal(take(there, 3, &use), ERR_BUSY);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(take(there, i, &use), ERR_FORBIDDEN);
}

/* A token is good until exp and the leeway are over, and exp may have had a fraction. */
static void a_token_is_remembered_as_long_as_it_is_good(void **state)
{
    (void)state;
    struct token_use use;
    uint64_t before;
    int64_t count;
    do {
        before = now_s();
        assert_int_equal(take_until(here, 1, before - LEEWAY_S, &use), ERR_OK);
        used_expire(here);
        count = metrics_get(METRIC_USED_TOKENS);
        used_give_back(here, &use);
    } while (now_s() != before);
    assert_int_equal(count, 1);
    assert_int_equal(take_until(here, 2, before - LEEWAY_S - 1, &use), ERR_OK);
    used_expire(here);
    assert_int_equal(metrics_get(METRIC_USED_TOKENS), 0);
    assert_int_equal(take(here, 2, &use), ERR_OK);
}

#define ROUNDS  2000u
#define THREADS 4u

static atomic_uint wins[ROUNDS];

static void *come_with_each(void *context)
{
    (void)context;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct token_use use;
        if (take(here, i, &use) != ERR_OK)
            continue;
        atomic_fetch_add(&wins[i], 1);
        used_tell(here, &use);
        used_expire(here);
    }
    return NULL;
}

static void of_all_who_come_with_one_token_at_once_one_is_let_in(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_with_each, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < ROUNDS; i++)
        assert_int_equal(atomic_load(&wins[i]), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(while_the_option_is_off_a_token_is_good_many_times),
        TEST(a_token_is_good_once_or_again_when_it_was_given_back),
        TEST(another_node_is_told_and_only_of_whom_is_let_in),
        TEST(a_token_that_another_node_lets_in_while_it_is_taken_here_is_not_free_when_it_is_given_back),
        TEST(what_is_no_signal_is_counted),
        TEST(a_full_node_refuses_new_tokens_and_knows_the_old),
        TEST(a_token_is_remembered_as_long_as_it_is_good),
        TEST(of_all_who_come_with_one_token_at_once_one_is_let_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
