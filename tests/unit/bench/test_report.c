#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "report.h"

static void fill(struct histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
    for (uint64_t us = 1; us <= 1000; us++)
        histogram_record(histogram, us * 1000);
}

static char *text_of(void (*print)(const struct report *report, FILE *output), const struct report *report)
{
    char *text = NULL;
    size_t len = 0;
    FILE *output = open_memstream(&text, &len);
    assert_non_null(output);
    print(report, output);
    fclose(output);
    return text;
}

static void json_is_one_line_with_every_figure(void **state)
{
    (void)state;
    static struct report report;
    static struct histogram histogram;

    fill(&histogram);
    report_text(&report, "via", "a \"quoted\"\nname");
    report_count(&report, "events", 12);
    report_real(&report, "ratio", 0.5);
    report_flag(&report, "saturated", true);
    report_latency(&report, "latency", &histogram);
    char *text = text_of(report_print_json, &report);
    assert_non_null(strstr(
        text, "{\"via\":\"a \\\"quoted\\\"\\nname\",\"events\":12,\"ratio\":0.500,\"saturated\":true,"));
    assert_non_null(strstr(text, "\"latency_max_us\":1000.000}\n"));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    free(text);
    report_fini(&report);
}

static void draw(const struct report *report, FILE *output)
{
    struct svg_curve curves[SVG_CURVES_MAX];
    for (size_t i = 0; i < report->curves_count; i++)
        curves[i] = (struct svg_curve){report->curves[i].name, report->curves[i].latency};
    svg_draw("a < b & c", curves, report->curves_count, output);
}

static size_t count(const char *text, const char *what)
{
    size_t found = 0;
    while ((text = strstr(text, what))) {
        found++;
        text++;
    }
    return found;
}

static void the_plot_has_a_curve_for_each_latency_that_has_values(void **state)
{
    (void)state;
    static struct report report;
    static struct histogram values, none;

    fill(&values);
    report_latency(&report, "latency", &values);
    report_latency(&report, "alone", &values);
    report_latency(&report, "never", &none);
    char *text = text_of(draw, &report);
    assert_int_equal(count(text, "stroke-width=\"2\""), 2);
    assert_non_null(strstr(text, "a &#60; b &#38; c"));
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    assert_string_equal(text + strlen(text) - 7, "</svg>\n");
    free(text);
    report_fini(&report);
}

static void a_plot_of_nothing_is_still_a_picture(void **state)
{
    (void)state;
    static struct report report;
    char *text = text_of(draw, &report);
    assert_int_equal(count(text, "stroke-width=\"2\""), 0);
    assert_null(strstr(text, "nan"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_one_line_with_every_figure),
        cmocka_unit_test(the_plot_has_a_curve_for_each_latency_that_has_values),
        cmocka_unit_test(a_plot_of_nothing_is_still_a_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
