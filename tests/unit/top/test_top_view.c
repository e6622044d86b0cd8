#include "top_test.h"

#include <string.h>

#include "top_text.h"
#include "top_view.h"

#define WALL_MS UINT64_C(1795687530123) /* 2026-11-26T10:05:30.123Z */

struct picture {
    struct top_model model;
    struct top_view view;
    struct buffer text;
    unsigned lines, widest;
    enum top_style styles[400];
};

static int set_up(void **state)
{
    static struct picture picture;
    picture = (struct picture){
        .view = {.width = 80,
                 .height = 24,
                 .now_ms = 12000,
                 .wall_ms = WALL_MS,
                 .source = "NATS: connected",
                 .advice = "Is it there?"},
    };
    top_model_init(&picture.model);
    buffer_init(&picture.text, 1u << 20);
    *state = &picture;
    return 0;
}

static int tear_down(void **state)
{
    struct picture *picture = *state;
    top_model_fini(&picture->model);
    buffer_fini(&picture->text);
    return 0;
}

static void take_line(void *context, enum top_style style, struct slice text)
{
    struct picture *picture = context;
    unsigned width = top_text_width(text);
    picture->styles[picture->lines++] = style;
    picture->widest = width > picture->widest ? width : picture->widest;
    buffer_append_slice(&picture->text, text);
    buffer_append_char(&picture->text, '\n');
}

static const char *draw(struct picture *picture, unsigned width, unsigned height)
{
    buffer_clear(&picture->text);
    picture->lines = picture->widest = 0;
    picture->view.width = width;
    picture->view.height = height;
    top_view_lines(&picture->view, &picture->model, take_line, picture);
    return buffer_text(&picture->text);
}

/* Two beats, a second apart, the later one two seconds ago. */
static void hear_twice(struct picture *picture, struct heartbeat beat)
{
    top_model_hear(&picture->model, &beat, 9000);
    beat.number++;
    beat.events_total += 40;
    beat.deliveries_total += 12345;
    beat.stored_total += 40;
    beat.age_ms_total += 120;
    beat.age_count += 40;
    top_model_hear(&picture->model, &beat, 10000);
}

static void hear_cluster(struct picture *picture)
{
    struct heartbeat full = node_beat("roomcast-1", 1);
    full.connections = 2000;
    full.queued_bytes = 70000;
    full.lagging = 3;
    full.blocked = 2;
    hear_twice(picture, node_beat("roomcast-0", 1));
    hear_twice(picture, full);
    hear_twice(picture, relay_beat("relay-0", 1, true));
    hear_twice(picture, relay_beat("relay-1", 1, false));
}

static void nobody_heard_is_said(void **state)
{
    assert_string_equal(draw(*state, 80, 24), "roomcast top   2026-11-26 10:05:30 UTC   NATS: connected\n"
                                              "\n"
                                              "No process has been heard yet. Is it there?\n");
}

static void eighty_columns_hold_what_matters_most(void **state)
{
    struct picture *picture = *state;
    hear_cluster(picture);
    assert_string_equal(draw(picture, 80, 24),
                        "roomcast top   2026-11-26 10:05:30 UTC   NATS: connected\n"
                        "2 nodes, 2 relays   connections 3000 (mean 1500)   rooms 240\n"
                        "per second: stored 80   deliveries 24.7k   opened 0   closed 0   rebalanced 0\n"
                        "queued 68KB   lagging 3   slow 2\n"
                        "\n"
                        "NODE                 STATE       CONN %MEAN  ROOMS  CPU%  MEM  EV/S DELIV/S\n"
                        "roomcast-0           serving     1000   67%    120  34.5  64M    40   12.3k\n"
                        "roomcast-1           serving     2000  133%    120  34.5  64M    40   12.3k\n"
                        "\n"
                        "RELAY                STATE    STORED/S IN FLIGHT  CPU%  MEM    UP HEARD\n"
                        "relay-0              active         40         0  34.5  64M   61m    2s\n"
                        "relay-1              standby        40         0  34.5  64M   61m    2s\n");
}

static void wide_terminals_show_all_columns(void **state)
{
    struct picture *picture = *state;
    hear_twice(picture, node_beat("roomcast-0", 1));
    const char *text = draw(picture, 200, 24);
    assert_non_null(
        strstr(text, "NODE                 STATE       CONN %MEAN  ROOMS  CPU%  MEM  EV/S DELIV/S QUEUE "
                     "LAG ms LAGGING  SLOW OPEN/S CLOSE/S    UP HEARD RELEASE      ADMIN\n"));
    assert_non_null(
        strstr(text, "roomcast-0           serving     1000  100%    120  34.5  64M    40   12.3k     0 "
                     "     3       0     0      0       0   61m    2s 0.1.0        10.0.0.1:9090\n"));
}

static void no_line_is_wider_than_the_terminal(void **state)
{
    struct picture *picture = *state;
    hear_cluster(picture);
    for (unsigned width = 1; width <= 220; width++) {
        draw(picture, width, 24);
        assert_true(picture->widest <= width);
        assert_false(buffer_failed(&picture->text));
    }
}

static void no_more_lines_than_the_terminal_has(void **state)
{
    struct picture *picture = *state;
    char name[16];
    for (unsigned i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "node-%02u", i);
        hear_twice(picture, node_beat(name, 1));
    }
    hear_twice(picture, relay_beat("relay-0", 1, true));
    for (unsigned height = 1; height <= 80; height++) {
        draw(picture, 120, height);
        assert_true(picture->lines <= height);
    }
    assert_non_null(strstr(draw(picture, 120, 80), "node-49"));
    const char *low = draw(picture, 120, 24);
    assert_int_equal(picture->lines, 24);
    assert_non_null(strstr(low, "... and 36 more\n"));
    assert_non_null(strstr(low, "relay-0 ")); /* who is at work is seen even so */
}

static void a_silent_node_is_marked_and_shows_no_rates(void **state)
{
    struct picture *picture = *state;
    hear_twice(picture, node_beat("roomcast-0", 1));
    picture->view.now_ms = 10000 + 3 * INTERVAL + 1;
    const char *text = draw(picture, 80, 24);
    assert_non_null(strstr(text, "0 nodes, 0 relays, 1 silent   connections 0 (mean 0)"));
    assert_non_null(
        strstr(text, "roomcast-0           silent      1000     -    120  34.5  64M     -       -\n"));
    assert_int_equal(picture->styles[6], TOP_ALARM);
}

static void a_node_that_drains_stands_out(void **state)
{
    struct picture *picture = *state;
    struct heartbeat beat = node_beat("roomcast-0", 1);
    beat.state = HEARTBEAT_DRAINING;
    hear_twice(picture, beat);
    assert_non_null(strstr(draw(picture, 80, 24), "roomcast-0           draining "));
    assert_int_equal(picture->styles[6], TOP_WARNING);
}

static void two_relays_at_work_are_an_alarm(void **state)
{
    struct picture *picture = *state;
    hear_twice(picture, relay_beat("relay-0", 1, true));
    hear_twice(picture, relay_beat("relay-1", 1, true));
    assert_non_null(strstr(draw(picture, 80, 24), "2 active relays!\n"));
    assert_int_equal(picture->styles[3], TOP_ALARM);
}

static void names_cannot_steer_the_terminal_or_shift_the_columns(void **state)
{
    struct picture *picture = *state;
    struct heartbeat hostile = node_beat("x", 1);
    strcpy(hostile.name, "a\x1b[2J\xc2\x9b\xe2\x80\xae\xe4\xbd\xa0 gr\xc3\xb6\xc3\x9f");
    hear_twice(picture, hostile);
    struct heartbeat lengthy = node_beat("a-name-that-is-longer-than-its-column", 1);
    hear_twice(picture, lengthy);
    const char *text = draw(picture, 80, 24);
    assert_non_null(strstr(text, "a?[2J??? gr\xc3\xb6\xc3\x9f        serving     1000 "));
    assert_non_null(strstr(text, "a-name-that-is-long~ serving     1000 "));
    assert_null(strchr(text, '\x1b'));
}

static void json_names_everything_and_unknown_rates_are_null(void **state)
{
    struct picture *picture = *state;
    hear_twice(picture, node_beat("a \"b\"", 1));
    struct heartbeat relay = relay_beat("relay-0", 1, true);
    top_model_hear(&picture->model, &relay, 10000);
    top_view_json(&picture->view, &picture->model, &picture->text);
    const char *text = buffer_text(&picture->text);
    assert_non_null(strstr(text,
                           "{\"at\":\"2026-11-26T10:05:30.123Z\",\"source\":\"NATS: connected\",\"nodes\":[{"
                           "\"name\":\"a \\\"b\\\"\",\"instance\":"));
    assert_non_null(strstr(text, "\"deliveries_per_s\":12345.0,\"event_age_ms\":3.0}],\"relays\":[{"));
    assert_non_null(
        strstr(text, "\"active\":true,\"in_flight\":0,\"stored_total\":0,\"stored_per_s\":null}],"));
    assert_non_null(strstr(
        text, "\"totals\":{\"nodes\":1,\"relays\":1,\"active_relays\":1,\"silent\":0,\"connections\":1000,"));
    assert_string_equal(text + strlen(text) - 3, "}}\n");
}

static void numbers_fit_their_columns(void **state)
{
    static const struct {
        double value;
        const char *text;
    } counts[] = {{0, "0"},         {0.5, "0.5"},     {7, "7"},          {42.6, "43"},    {9999, "9999"},
                  {12345, "12.3k"}, {999499, "999k"}, {999500, "1.00M"}, {2.5e9, "2.50G"}};
    static const struct {
        uint64_t bytes;
        const char *text;
    } sizes[] = {{0, "0"},       {999, "999"},       {1024, "1.0K"},
                 {70000, "68K"}, {64u << 20, "64M"}, {UINT64_MAX, "16384P"}};
    static const struct {
        uint64_t seconds;
        const char *text;
    } spans[] = {{0, "0s"}, {99, "99s"}, {100, "1m"}, {3700, "61m"}, {7260, "2h01"}, {1000000, "11d"}};
    struct picture *picture = *state;
    struct buffer *out = &picture->text;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        buffer_clear(out);
        top_text_count(out, counts[i].value);
        assert_string_equal(buffer_text(out), counts[i].text);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        buffer_clear(out);
        top_text_bytes(out, sizes[i].bytes);
        assert_string_equal(buffer_text(out), sizes[i].text);
    }
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        buffer_clear(out);
        top_text_duration(out, spans[i].seconds);
        assert_string_equal(buffer_text(out), spans[i].text);
    }
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(nobody_heard_is_said),
        TEST(eighty_columns_hold_what_matters_most),
        TEST(wide_terminals_show_all_columns),
        TEST(no_line_is_wider_than_the_terminal),
        TEST(no_more_lines_than_the_terminal_has),
        TEST(a_silent_node_is_marked_and_shows_no_rates),
        TEST(a_node_that_drains_stands_out),
        TEST(two_relays_at_work_are_an_alarm),
        TEST(names_cannot_steer_the_terminal_or_shift_the_columns),
        TEST(json_names_everything_and_unknown_rates_are_null),
        TEST(numbers_fit_their_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
