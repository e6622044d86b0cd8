/* The relay's HTTP endpoint, without Redis. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/clock.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/random.h>

#include "faulty_bus.h"
#include "relay_fixture.h"

static struct relay_fixture fixture;

static int setup(void **state)
{
    (void)state;
    fixture_start(&fixture, false, NULL);
    return 0;
}

/* For a bus that does not answer. */
static int setup_hasty(void **state)
{
    (void)state;
    static const char *const settings[] = {"ROOMCAST_RELAY_STORE_TIMEOUT_MS=1000", NULL};

    fixture_start(&fixture, false, settings);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_stop(&fixture);
    return 0;
}

/* Posts, expects a status and a text in the reply. */
static void assert_post(const char *key, const char *body, int status, const char *expected)
{
    char *reply = NULL;
    int got = http(&fixture, "POST", "/v1/events", key, body, &reply);

    if (got != status || !strstr(reply, expected))
        fail_msg("expected %d with %s, got %s", status, expected, reply);
    free(reply);
}

static void relay_accepts_one_event(void **state)
{
    (void)state;
    char *event = make_event("one", 0, "x");

    assert_post(FIXTURE_KEY, event, 202, "{\"success\":true,\"accepted\":1}");
    wait_heard(&fixture, 1);
    assert_string_equal(fixture.heard[0].source, "http");
    assert_post(FIXTURE_KEY, event, 202, "\"accepted\":1"); /* again: stored once */
    free(event);
    event = make_event("two", 0, "y");
    assert_post(FIXTURE_KEY, event, 202, "\"accepted\":1");
    free(event);
    wait_heard(&fixture, 2);
    assert_string_equal(fixture.heard[1].id, "two");
    assert_heard_in_order(&fixture);
}

static void append_events(struct buffer *out, unsigned count)
{
    buffer_append_char(out, '[');
    for (unsigned i = 0; i < count; i++) {
        char id[16];
        snprintf(id, sizeof id, "e%u", i);
        char *event = make_event(id, i % 10, "[\\\"],{");
        buffer_append_text(out, i ? " ,\n" : "");
        buffer_append_text(out, event);
        free(event);
    }
    buffer_append_char(out, ']');
}

static void relay_accepts_an_array(void **state)
{
    (void)state;
    struct buffer body;

    buffer_init(&body, 1u << 20);
    append_events(&body, 1000);
    assert_post(FIXTURE_KEY, buffer_text(&body), 202, "\"accepted\":1000}");
    wait_heard(&fixture, 1000);
    assert_heard_in_order(&fixture);
    assert_non_null(strstr(fixture.heard[0].payload, "\"content\":\"[\\\"],{\"}"));
    buffer_clear(&body);
    append_events(&body, 1001);
    assert_post(FIXTURE_KEY, buffer_text(&body), 413, "more than 1000 events");
    buffer_fini(&body);
}

static void relay_takes_all_or_nothing(void **state)
{
    (void)state;
    char *event = make_event("one", 0, "x"), *body = NULL;

    assert_true(asprintf(&body, "[%s,{\"event_type\":\"message.created\",\"payload\":{}}]", event) > 0);
    assert_post(FIXTURE_KEY, body, 400, "event 1: ");
    free(body);
    assert_true(asprintf(&body, "[%s,%s", event, event) > 0);
    assert_post(FIXTURE_KEY, body, 400, "INVALID_EVENT");
    free(body);
    assert_true(asprintf(&body, "[%s,{\"event_type\":\"weather.changed\",\"payload\":{}}]", event) > 0);
    assert_post(FIXTURE_KEY, body, 202, "\"accepted\":1,\"skipped\":1}");
    free(body);
    free(event);
    wait_heard(&fixture, 1);
}

static void relay_refuses_bad_requests(void **state)
{
    (void)state;
    char *event = make_event("one", 0, "x"), *reply = NULL;
    size_t size = 600u << 10;
    char *large = malloc(size + 1);

    memset(large, 'x', size);
    large[size] = '\0';
    assert_post(NULL, event, 401, "UNAUTHORIZED");
    assert_post("wrong", event, 401, "UNAUTHORIZED");
    assert_post("test-keyy", event, 401, "WWW-Authenticate: Bearer");
    assert_post(FIXTURE_KEY, "", 400, "INVALID_EVENT");
    assert_post(FIXTURE_KEY, "[]", 400, "the array is empty");
    assert_post(FIXTURE_KEY, "{\"event_type\":1}", 400, "INVALID_EVENT");
    char *large_event = make_event("large", 0, large);
    assert_post(FIXTURE_KEY, large_event, 413, "PAYLOAD_TOO_LARGE");
    free(large_event);
    assert_int_equal(http(&fixture, "GET", "/v1/events", FIXTURE_KEY, NULL, &reply), 405);
    assert_non_null(strstr(reply, "Allow: POST"));
    free(reply);
    assert_int_equal(http(&fixture, "POST", "/v1/other", FIXTURE_KEY, event, NULL), 404);
    int64_t rejected = metrics_get(METRIC_RELAY_REJECTED);
    faulty_bus_refuse(fixture.bus, true);
    assert_post(FIXTURE_KEY, event, 400, "event 0 cannot be stored: injected");
    assert_int_equal(metrics_get(METRIC_RELAY_REJECTED), rejected + 1);
    free(event);
    free(large);
    assert_int_equal(fixture.heard_count, 0);
}

static void relay_says_when_it_cannot_store(void **state)
{
    (void)state;
    char *event = make_event("one", 0, "x");

    faulty_bus_set_up(fixture.bus, false);
    assert_post(FIXTURE_KEY, event, 503, "Retry-After: 1");
    assert_post(FIXTURE_KEY, event, 503, "stored already is not stored twice");
    faulty_bus_set_up(fixture.bus, true);
    relay_on_bus_event(fixture.relay, BUS_EVENT_UP);
    assert_post(FIXTURE_KEY, event, 202, "\"accepted\":1");
    free(event);
    wait_heard(&fixture, 1);
}

static void relay_answers_operators(void **state)
{
    (void)state;
    char *reply = NULL;

    assert_int_equal(http(&fixture, "GET", "/livez", NULL, NULL, NULL), 200);
    wait_ready(&fixture); /* Redis is optional here */
    assert_int_equal(http(&fixture, "GET", "/metrics", NULL, NULL, &reply), 200);
    assert_non_null(strstr(reply, "roomcast_relay_in_flight 0"));
    free(reply);
    assert_int_equal(http(&fixture, "DELETE", "/metrics", NULL, NULL, &reply), 405);
    assert_non_null(strstr(reply, "Allow: GET, HEAD"));
    free(reply);
}

static void relay_without_a_key_refuses_everybody(void **state)
{
    (void)state;
    static const char *const settings[] = {"ROOMCAST_RELAY_API_KEY=", NULL};
    fixture_start(&fixture, false, settings);
    char *event = make_event("one", 0, "x");
    assert_post(NULL, event, 401, "relay.api_key is not set");
    assert_post("", event, 401, "relay.api_key is not set");
    fixture_stop(&fixture);
    free(event);
}

static void *post_until_refused(void *context)
{
    char *event = make_event(NULL, *(unsigned *)context, "x");

    while (http(&fixture, "POST", "/v1/events", FIXTURE_KEY, event, NULL) == 202)
        ;
    free(event);
    return NULL;
}

static void relay_stops_while_requests_are_open(void **state)
{
    (void)state;
    pthread_t threads[4];
    unsigned rooms[4] = {0, 1, 2, 3};

    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_until_refused, &rooms[i]), 0);
    wait_heard_least(&fixture, 1);
    faulty_bus_set_up(fixture.bus, false);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    fixture_stop_relay(&fixture, 0);
    assert_int_equal(metrics_get(METRIC_RELAY_IN_FLIGHT), 0);
}

int main(void)
{
#define WITH_RELAY(test)       cmocka_unit_test_setup_teardown(test, setup, teardown)
#define WITH_HASTY_RELAY(test) cmocka_unit_test_setup_teardown(test, setup_hasty, teardown)
    const struct CMUnitTest tests[] = {
        WITH_RELAY(relay_accepts_one_event),
        WITH_RELAY(relay_accepts_an_array),
        WITH_RELAY(relay_takes_all_or_nothing),
        WITH_RELAY(relay_refuses_bad_requests),
        WITH_HASTY_RELAY(relay_says_when_it_cannot_store),
        WITH_RELAY(relay_answers_operators),
        cmocka_unit_test(relay_without_a_key_refuses_everybody),
        WITH_HASTY_RELAY(relay_stops_while_requests_are_open),
    };
    if (random_init() != ERR_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
