#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>

static char written[16384];
static int stderr_kept;
static FILE *capture;

static int capture_start(void **state)
{
    (void)state;
    fflush(stderr);
    stderr_kept = dup(STDERR_FILENO);
    capture = tmpfile();
    return capture && dup2(fileno(capture), STDERR_FILENO) >= 0 ? 0 : -1;
}

/* What was logged since the last call, without the "ts" field, whose text changes. */
static const char *logged(void)
{
    rewind(capture);
    size_t len = fread(written, 1, sizeof written - 1, capture);
    written[len] = '\0';
    assert_int_equal(ftruncate(fileno(capture), 0), 0);
    lseek(fileno(capture), 0, SEEK_SET);
    return strncmp(written, "ts=", 3) == 0 ? strchr(written, ' ') + 1 : written;
}

static int capture_end(void **state)
{
    (void)state;
    dup2(stderr_kept, STDERR_FILENO);
    close(stderr_kept);
    return fclose(capture);
}

static void logfmt_line_has_event_node_and_typed_fields(void **state)
{
    (void)state;
    log_init(LOG_INFO, LOG_LOGFMT, "node-1");
    log_info("session_opened", LOG_TEXT("user", "u1"), LOG_U64("rooms", UINT64_MAX), LOG_I64("skew", -5),
             LOG_BOOL("tls", true));
    assert_string_equal(logged(), "level=info event=session_opened node=node-1 user=u1 "
                                  "rooms=18446744073709551615 skew=-5 tls=true\n");
}

static void lines_below_the_level_are_not_written(void **state)
{
    (void)state;
    log_init(LOG_WARN, LOG_LOGFMT, NULL);
    log_info("quiet");
    log_debug("quiet");
    assert_string_equal(logged(), "");
    log_warn("heard");
    assert_string_equal(logged(), "level=warn event=heard\n");
}

static void no_value_can_forge_a_line_or_a_field(void **state)
{
    (void)state;
    log_init(LOG_INFO, LOG_LOGFMT, NULL);
    log_info("e", LOG_TEXT("a", "x\nlevel=error"), LOG_TEXT("b", "1 c=2"), LOG_TEXT("d", "say \"hi\\\""),
             LOG_TEXT("e", "\033[31m\r\t"), LOG_TEXT("f", ""), LOG_TEXT("g", NULL));
    assert_string_equal(logged(),
                        "level=info event=e a=\"x\\nlevel=error\" b=\"1 c=2\" d=\"say \\\"hi\\\\\\\"\" "
                        "e=\"\\u001b[31m\\r\\t\" f=\"\" g=\"\"\n");
}

static void hidden_line_ends_and_terminal_controls_beyond_ascii_are_escaped(void **state)
{
    (void)state;
    log_init(LOG_INFO, LOG_LOGFMT, NULL);
    log_info("e", LOG_TEXT("a", "\x7f\xC2\x85\xE2\x80\xA8"), LOG_SLICE("b", SLICE_LITERAL("x\0y")));
    assert_string_equal(logged(), "level=info event=e a=\"\\u007f\\u0085\\u2028\" b=\"x\\u0000y\"\n");
}

static void invalid_utf8_becomes_the_replacement_character(void **state)
{
    (void)state;
    log_init(LOG_INFO, LOG_LOGFMT, NULL);
    log_info("e", LOG_TEXT("good", "\xC3\xA9\xF0\x9F\x98\x80"), LOG_TEXT("cut", "a\xC3"),
             LOG_TEXT("overlong", "\xC0\xAF"), LOG_TEXT("surrogate", "\xED\xA0\x80"));
    assert_string_equal(
        logged(),
        "level=info event=e good=\"\xC3\xA9\xF0\x9F\x98\x80\" cut=\"a\xEF\xBF\xBD\" "
        "overlong=\"\xEF\xBF\xBD\xEF\xBF\xBD\" surrogate=\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"\n");
}

static void json_line_is_one_object(void **state)
{
    (void)state;
    log_init(LOG_INFO, LOG_JSON, "n");
    log_info("e", LOG_TEXT("a", "q\"\n"), LOG_U64("n", 3), LOG_BOOL("b", false));
    const char *line = logged();
    assert_int_equal(strncmp(line, "{\"ts\":\"2", 8), 0);
    assert_non_null(strstr(
        line,
        "Z\",\"level\":\"info\",\"event\":\"e\",\"node\":\"n\",\"a\":\"q\\\"\\n\",\"n\":3,\"b\":false}\n"));
}

static void long_values_are_cut_between_characters(void **state)
{
    (void)state;
    char value[2 * LOG_VALUE_MAX + 1];
    for (size_t i = 0; i < LOG_VALUE_MAX; i++)
        memcpy(value + 2 * i, "\xC3\xA9", 2);
    log_init(LOG_INFO, LOG_LOGFMT, NULL);
    log_info("e", LOG_SLICE("v", ((struct slice){value + 1, sizeof value - 2})));
    const char *line = logged();
    /* One replaced byte of three, then whole characters of two while they fit: 3 + 2 * 254 <= 512. */
    assert_int_equal(strlen(line), strlen("level=info event=e v=\"\"\n") + 3 + 2 * 254);
    assert_string_equal(line + strlen(line) - 4, "\xC3\xA9\"\n");
}

static void fields_that_do_not_fit_are_left_out_and_the_line_says_so(void **state)
{
    (void)state;
    char value[LOG_VALUE_MAX];
    memset(value, '"', sizeof value);
    struct slice quotes = {value, sizeof value};

    for (int format = LOG_LOGFMT; format <= LOG_JSON; format++) {
        log_init(LOG_INFO, (enum log_format)format, NULL);
        log_info("e", LOG_SLICE("a", quotes), LOG_SLICE("b", quotes), LOG_SLICE("c", quotes),
                 LOG_SLICE("d", quotes), LOG_SLICE("e", quotes), LOG_SLICE("f", quotes),
                 LOG_SLICE("g", quotes), LOG_SLICE("h", quotes), LOG_U64("last", 1));
        const char *line = logged();
        assert_true(strlen(line) <= 4096);
        const char *tail =
            format == LOG_JSON ? ",\"last\":1,\"truncated\":true}\n" : " last=1 truncated=true\n";
        assert_string_equal(line + strlen(line) - strlen(tail), tail);
    }
}

static void warnings_and_errors_are_counted(void **state)
{
    (void)state;
    int64_t warns = metrics_get(METRIC_LOG_LINES_WARN), errors = metrics_get(METRIC_LOG_LINES_ERROR);

    log_init(LOG_INFO, LOG_LOGFMT, NULL);
    log_info("e");
    log_warn("e");
    log_error("e");
    log_error("e");
    logged();
    assert_int_equal(metrics_get(METRIC_LOG_LINES_WARN), warns + 1);
    assert_int_equal(metrics_get(METRIC_LOG_LINES_ERROR), errors + 2);
}

static void limited_lines_pass_once_per_interval_and_tell_what_was_left_out(void **state)
{
    (void)state;
    struct log_limit limit = LOG_LIMIT(1000);
    uint64_t suppressed = 99;

    assert_true(log_limit_pass(&limit, 50, &suppressed));
    assert_int_equal(suppressed, 0);
    assert_false(log_limit_pass(&limit, 51, &suppressed));
    assert_false(log_limit_pass(&limit, 1049, &suppressed));
    assert_true(log_limit_pass(&limit, 1050, &suppressed));
    assert_int_equal(suppressed, 2);
    assert_false(log_limit_pass(&limit, 1051, &suppressed));
    assert_true(log_limit_pass(&limit, 9000, &suppressed));
    assert_int_equal(suppressed, 1);
}

#define CAPTURED(test) cmocka_unit_test_setup_teardown(test, capture_start, capture_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CAPTURED(logfmt_line_has_event_node_and_typed_fields),
        CAPTURED(lines_below_the_level_are_not_written),
        CAPTURED(no_value_can_forge_a_line_or_a_field),
        CAPTURED(hidden_line_ends_and_terminal_controls_beyond_ascii_are_escaped),
        CAPTURED(invalid_utf8_becomes_the_replacement_character),
        CAPTURED(json_line_is_one_object),
        CAPTURED(long_values_are_cut_between_characters),
        CAPTURED(fields_that_do_not_fit_are_left_out_and_the_line_says_so),
        CAPTURED(warnings_and_errors_are_counted),
        cmocka_unit_test(limited_lines_pass_once_per_interval_and_tell_what_was_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
