#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <roomcast/base/clock.h>

#include "bus_nats_requests.h"

/* What the requests' thread answered, in order. */
static struct {
    sem_t come;
    size_t count;
    struct {
        void *context;
        int status;
        uint64_t at_ms;
    } answers[16];
} seen;

static void note(void *context, int status)
{
    seen.answers[seen.count].context = context;
    seen.answers[seen.count].status = status;
    seen.answers[seen.count++].at_ms = clock_monotonic_ms();
    sem_post(&seen.come);
}

static void on_store(void *context, const struct bus_store_result *result)
{
    if (!result->problem)
        abort();
    note(context, (int)result->status);
}

static void on_get(void *context, const struct bus_last_result *result)
{
    note(context, (int)result->status);
}

static void await(size_t count)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    for (size_t i = 0; i < count; i++)
        assert_int_equal(sem_timedwait(&seen.come, &until), 0);
}

static struct request *make(enum request_kind kind, uint64_t timeout_ms, void *context)
{
    const struct bus_get_request get = {.kind = BUS_GET_LAST, .subject = "subject", .timeout_ms = timeout_ms};
    struct request *request = kind == REQUEST_STORE ? request_new_store(0, timeout_ms, on_store, context)
                                                    : request_new_get(&get, strdup("place"), on_get, context);

    assert_non_null(request);
    return request;
}

static int setup(void **state)
{
    static struct requests requests;

    seen.count = 0;
    sem_init(&seen.come, 0, 0);
    *state = &requests;
    return requests_start(&requests) == ERR_OK ? 0 : -1;
}

static void a_request_is_taken_once(void **state)
{
    struct requests *requests = *state;
    uint64_t token = requests_open(requests, make(REQUEST_STORE, 60000, NULL));
    struct request *taken = requests_take(requests, token);

    assert_non_null(taken);
    assert_null(requests_take(requests, token));
    assert_null(requests_take(requests, token + 1));
    requests_fail(requests, token, BUS_UNKNOWN, "late");
    request_free(taken);
    requests_stop(requests);
    assert_int_equal(seen.count, 0);
}

static void deadlines_hold_in_any_order(void **state)
{
    struct requests *requests = *state;
    int contexts[4];
    uint64_t start = clock_monotonic_ms();

    requests_open(requests, make(REQUEST_STORE, 60000, &contexts[3]));
    requests_open(requests, make(REQUEST_STORE, 90, &contexts[2]));
    requests_open(requests, make(REQUEST_GET, 30, &contexts[0]));
    requests_open(requests, make(REQUEST_STORE, 60, &contexts[1]));
    await(3);
    for (size_t i = 0; i < 3; i++) {
        assert_ptr_equal(seen.answers[i].context, &contexts[i]);
        assert_true(seen.answers[i].at_ms - start >= 30 * (i + 1));
    }
    assert_int_equal(seen.answers[0].status, BUS_LAST_UNAVAILABLE);
    assert_int_equal(seen.answers[1].status, BUS_UNKNOWN);
    requests_stop(requests);
    assert_int_equal(seen.count, 4);
    assert_ptr_equal(seen.answers[3].context, &contexts[3]);
}

static void failures_are_answered_by_the_thread(void **state)
{
    struct requests *requests = *state;
    int contexts[4];

    requests_fail_new(requests, make(REQUEST_STORE, 60000, &contexts[0]), BUS_UNAVAILABLE, "no connection");
    uint64_t token = requests_open(requests, make(REQUEST_STORE, 60000, &contexts[1]));
    requests_fail(requests, token, BUS_REFUSED, "too large");
    requests_open(requests, make(REQUEST_STORE, 60000, &contexts[2]));
    requests_open(requests, make(REQUEST_GET, 60000, &contexts[3]));
    requests_fail_all(requests, BUS_UNKNOWN, "lost");
    await(4);
    requests_stop(requests);
    assert_int_equal(seen.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_ptr_equal(seen.answers[i].context, &contexts[i]);
    assert_int_equal(seen.answers[0].status, BUS_UNAVAILABLE);
    assert_int_equal(seen.answers[1].status, BUS_REFUSED);
    assert_int_equal(seen.answers[2].status, BUS_UNKNOWN);
    assert_int_equal(seen.answers[3].status, BUS_LAST_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_request_is_taken_once, setup),
        cmocka_unit_test_setup(deadlines_hold_in_any_order, setup),
        cmocka_unit_test_setup(failures_are_answered_by_the_thread, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
