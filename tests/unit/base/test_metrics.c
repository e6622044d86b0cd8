#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <roomcast/base/metrics.h>

static char *render(enum metric_program program)
{
    struct buffer out;

    buffer_init(&out, 1 << 20);
    metrics_render(program, &out);
    char *text = buffer_take(&out);
    assert_non_null(text);
    return text;
}

static int occurrences(const char *text, const char *part)
{
    int count = 0;

    for (const char *at = text; (at = strstr(at, part)); at++)
        count++;
    return count;
}

static void counters_add_and_gauges_set_and_change(void **state)
{
    (void)state;
    metrics_add(METRIC_DELIVERIES, 5);
    metrics_inc(METRIC_DELIVERIES);
    assert_int_equal(metrics_get(METRIC_DELIVERIES), 6);
    metrics_set(METRIC_CONNECTIONS, 10);
    metrics_change(METRIC_CONNECTIONS, -3);
    assert_int_equal(metrics_get(METRIC_CONNECTIONS), 7);
}

static void render_gives_help_and_type_once_per_name(void **state)
{
    (void)state;
    metrics_inc(METRIC_HANDSHAKES_ORIGIN);
    char *text = render(METRIC_NODE);

    assert_int_equal(occurrences(text, "# HELP roomcast_handshakes_total "), 1);
    assert_int_equal(occurrences(text, "# TYPE roomcast_handshakes_total counter\n"), 1);
    assert_int_equal(occurrences(text, "# TYPE roomcast_connections gauge\n"), 1);
    assert_non_null(strstr(text, "\nroomcast_handshakes_total{result=\"accepted\"} 0\n"));
    assert_non_null(strstr(text, "\nroomcast_handshakes_total{result=\"origin_not_allowed\"} 1\n"));
    free(text);
}

static void render_shows_only_the_rows_of_the_program(void **state)
{
    (void)state;
    char *node = render(METRIC_NODE), *relay = render(METRIC_RELAY), *both = render(METRIC_BOTH);

    assert_non_null(strstr(node, "\nroomcast_connections "));
    assert_non_null(strstr(node, "\nroomcast_nats_up "));
    assert_null(strstr(node, "roomcast_redis_up"));
    assert_non_null(strstr(relay, "\nroomcast_redis_up "));
    assert_non_null(strstr(relay, "\nroomcast_nats_up "));
    assert_null(strstr(relay, "roomcast_connections"));
    assert_non_null(strstr(both, "\nroomcast_connections "));
    assert_non_null(strstr(both, "\nroomcast_redis_up "));
    free(node);
    free(relay);
    free(both);
}

static void render_tells_version_and_start_time(void **state)
{
    (void)state;
    char *text = render(METRIC_BOTH);

    assert_non_null(strstr(text, "\nroomcast_build_info{version=\""));
    const char *start = strstr(text, "\nprocess_start_time_seconds ");
    assert_non_null(start);
    assert_true(strtod(start + strlen("\nprocess_start_time_seconds "), NULL) > 1.6e9);
    free(text);
}

/* A name whose rows are apart would get its HELP twice, which Prometheus refuses. */
static void rows_of_one_name_stand_together_and_the_first_has_the_help(void **state)
{
    (void)state;
    static const struct {
        const char *name, *help;
    } rows[] = {
#define METRIC_ROW(id, kind, program, name, label, help) {name, help},
#include <roomcast/base/metrics_table.h>
#undef METRIC_ROW
    };

    for (size_t i = 0; i < METRIC_COUNT; i++) {
        size_t first = 0;
        while (strcmp(rows[first].name, rows[i].name) != 0)
            first++;
        assert_true((first == i) == (rows[i].help[0] != '\0'));
        assert_true(first == i || strcmp(rows[i - 1].name, rows[i].name) == 0);
    }
}

static void a_histogram_is_cumulative_and_in_seconds(void **state)
{
    (void)state;
    metrics_observe_us(HISTOGRAM_EVENT_RELAYED, 1000);
    metrics_observe_us(HISTOGRAM_EVENT_RELAYED, 1001);
    metrics_observe_us(HISTOGRAM_EVENT_RELAYED, 61000000);
    char *text = render(METRIC_NODE);

    assert_int_equal(occurrences(text, "# TYPE roomcast_event_latency_seconds histogram\n"), 1);
#define LATENCY "\nroomcast_event_latency_seconds_"
    assert_non_null(strstr(text, LATENCY "bucket{since=\"relayed\",le=\"0.001\"} 1\n"));
    assert_non_null(strstr(text, LATENCY "bucket{since=\"relayed\",le=\"0.002\"} 2\n"));
    assert_non_null(strstr(text, LATENCY "bucket{since=\"relayed\",le=\"10\"} 2\n"));
    assert_non_null(strstr(text, LATENCY "bucket{since=\"relayed\",le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(text, LATENCY "sum{since=\"relayed\"} 61.002001\n"));
    assert_non_null(strstr(text, LATENCY "count{since=\"relayed\"} 3\n"));
    assert_non_null(strstr(text, LATENCY "count{since=\"occurred\"} 0\n"));
    assert_non_null(strstr(text, "\nroomcast_loop_turn_seconds_bucket{le=\"0.0001\"} 0\n"));
    assert_non_null(strstr(text, "\nroomcast_loop_turn_seconds_count 0\n"));
    assert_int_equal(metrics_observed(HISTOGRAM_EVENT_RELAYED), 3);
    assert_int_equal(metrics_observed_sum_us(HISTOGRAM_EVENT_RELAYED), 61002001);
    free(text);
}

static void a_family_counts_by_values_that_come_up_and_no_more_than_it_has_room_for(void **state)
{
    (void)state;
    metrics_count_by(FAMILY_EVENTS_BY_TYPE, SLICE_LITERAL("task.updated"));
    metrics_count_by(FAMILY_EVENTS_BY_TYPE, SLICE_LITERAL("task.updated"));
    metrics_count_by(FAMILY_EVENTS_BY_TYPE, SLICE_LITERAL("a\"b"));
    metrics_count_by(FAMILY_EVENTS_BY_TYPE, SLICE_LITERAL(""));
    for (int i = 0; i < 100; i++) {
        char value[16];
        snprintf(value, sizeof value, "type-%d", i);
        metrics_count_by(FAMILY_EVENTS_BY_TYPE, slice_of(value));
    }
    char *text = render(METRIC_NODE);

    assert_non_null(strstr(text, "\n# TYPE roomcast_events_by_type_total counter\n"));
    assert_non_null(strstr(text, "\nroomcast_events_by_type_total{type=\"task.updated\"} 2\n"));
    assert_non_null(strstr(text, "\nroomcast_events_by_type_total{type=\"type-62\"} 1\n"));
    assert_null(strstr(text, "type-63"));
    assert_non_null(strstr(text, "\nroomcast_events_by_type_total{type=\"other\"} 39\n"));
    assert_null(strstr(text, "roomcast_relay_stored_by_type_total"));
    free(text);
}

static void *count_up(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50000; i++)
        metrics_inc(METRIC_WRITES);
    return NULL;
}

static void no_update_is_lost_between_threads(void **state)
{
    (void)state;
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(metrics_get(METRIC_WRITES), 200000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_add_and_gauges_set_and_change),
        cmocka_unit_test(render_gives_help_and_type_once_per_name),
        cmocka_unit_test(render_shows_only_the_rows_of_the_program),
        cmocka_unit_test(render_tells_version_and_start_time),
        cmocka_unit_test(rows_of_one_name_stand_together_and_the_first_has_the_help),
        cmocka_unit_test(a_histogram_is_cumulative_and_in_seconds),
        cmocka_unit_test(a_family_counts_by_values_that_come_up_and_no_more_than_it_has_room_for),
        cmocka_unit_test(no_update_is_lost_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
