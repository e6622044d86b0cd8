#include "report.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/text.h>

static struct report_row *add(struct report *report, const char *name)
{
    assert(report->count < REPORT_ROWS_MAX);
    struct report_row *row = &report->rows[report->count++];
    snprintf(row->name, sizeof row->name, "%s", name);
    return row;
}

void report_text(struct report *report, const char *name, const char *value)
{
    struct report_row *row = add(report, name);
    row->kind = REPORT_TEXT;
    row->text = value;
}

void report_count(struct report *report, const char *name, uint64_t value)
{
    struct report_row *row = add(report, name);
    row->kind = REPORT_COUNT;
    row->count = value;
}

void report_real(struct report *report, const char *name, double value)
{
    struct report_row *row = add(report, name);
    row->kind = REPORT_REAL;
    row->real = value;
}

void report_flag(struct report *report, const char *name, bool value)
{
    struct report_row *row = add(report, name);
    row->kind = REPORT_FLAG;
    row->count = value;
}

static void keep_curve(struct report *report, const char *name, const struct histogram *latency)
{
    struct histogram *copy = report->curves_count < SVG_CURVES_MAX ? malloc(sizeof *copy) : NULL;

    if (!copy)
        return;
    *copy = *latency;
    report->curves[report->curves_count].name = name;
    report->curves[report->curves_count++].latency = copy;
}

void report_latency(struct report *report, const char *name, const struct histogram *latency)
{
    static const struct {
        const char *suffix;
        double share;
    } points[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
    char full[48];

    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        snprintf(full, sizeof full, "%s_%s_us", name, points[i].suffix);
        report_real(report, full, (double)histogram_percentile(latency, points[i].share) / 1000);
    }
    snprintf(full, sizeof full, "%s_max_us", name);
    report_real(report, full, (double)latency->max / 1000);
    keep_curve(report, name, latency);
}

void report_print_table(const struct report *report, FILE *output)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct report_row *row = &report->rows[i];
        fprintf(output, "%-34s ", row->name);
        switch (row->kind) {
        case REPORT_TEXT:
            fprintf(output, "%16s\n", row->text);
            break;
        case REPORT_COUNT:
            fprintf(output, "%16" PRIu64 "\n", row->count);
            break;
        case REPORT_REAL:
            fprintf(output, "%16.*f\n", row->real < 1000 ? 3 : 0, row->real);
            break;
        case REPORT_FLAG:
            fprintf(output, "%16s\n", row->count ? "yes" : "no");
            break;
        }
    }
}

static void print_string(const char *text, FILE *output)
{
    struct slice rest = slice_of(text);
    fputc('"', output);
    while (rest.len > 0) {
        char unit[TEXT_UNIT_SIZE];
        size_t taken = text_escape(rest, unit);
        fputs(unit, output);
        rest.data += taken;
        rest.len -= taken;
    }
    fputc('"', output);
}

void report_print_json(const struct report *report, FILE *output)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct report_row *row = &report->rows[i];
        fprintf(output, "%c\"%s\":", i ? ',' : '{', row->name);
        switch (row->kind) {
        case REPORT_TEXT:
            print_string(row->text, output);
            break;
        case REPORT_COUNT:
            fprintf(output, "%" PRIu64, row->count);
            break;
        case REPORT_REAL:
            fprintf(output, "%.3f", row->real);
            break;
        case REPORT_FLAG:
            fputs(row->count ? "true" : "false", output);
            break;
        }
    }
    fputs("}\n", output);
}

enum err report_append_json(const struct report *report, const char *path)
{
    if (strcmp(path, "-") == 0) {
        report_print_json(report, stdout);
        return fflush(stdout) ? ERR_IO : ERR_OK;
    }
    FILE *file = fopen(path, "ae");
    if (!file)
        return ERR_IO;
    report_print_json(report, file);
    return fclose(file) ? ERR_IO : ERR_OK;
}

enum err report_draw(const struct report *report, const char *title, const char *path)
{
    struct svg_curve curves[SVG_CURVES_MAX];
    FILE *file = fopen(path, "we");

    if (!file)
        return ERR_IO;
    for (size_t i = 0; i < report->curves_count; i++)
        curves[i] = (struct svg_curve){report->curves[i].name, report->curves[i].latency};
    svg_draw(title, curves, report->curves_count, file);
    return fclose(file) ? ERR_IO : ERR_OK;
}

void report_fini(struct report *report)
{
    for (size_t i = 0; i < report->curves_count; i++)
        free(report->curves[i].latency);
    report->curves_count = 0;
}
