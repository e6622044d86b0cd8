/* What a run found, as named figures in an order: one line of JSON for machines, a table for people. */
#ifndef ROOMCAST_BENCH_REPORT_H
#define ROOMCAST_BENCH_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <roomcast/base/err.h>

#include "histogram.h"
#include "svg.h"

#define REPORT_ROWS_MAX 96

struct report_row {
    char name[48];
    enum { REPORT_TEXT, REPORT_COUNT, REPORT_REAL, REPORT_FLAG } kind;
    const char *text; /* borrowed */
    uint64_t count;
    double real;
};
struct report {
    struct report_row rows[REPORT_ROWS_MAX];
    size_t count;
    struct {
        const char *name;          /* borrowed */
        struct histogram *latency; /* owned copy */
    } curves[SVG_CURVES_MAX];      /* for the plot: the first latencies that were reported */
    size_t curves_count;
};

/* Names are static snake_case literals with their unit at the end. Too many rows are a bug (asserted). */
void report_text(struct report *report, const char *name, const char *value);
void report_count(struct report *report, const char *name, uint64_t value);
void report_real(struct report *report, const char *name, double value);
void report_flag(struct report *report, const char *name, bool value);
/* <name>_p50_us, p90, p99, p999, max; and a curve of the plot, while there is room for one. */
void report_latency(struct report *report, const char *name, const struct histogram *latency);

void report_print_table(const struct report *report, FILE *output);
void report_print_json(const struct report *report, FILE *output);
/* Appends the JSON line to `path`; "-" is standard output. ERR_IO. */
enum err report_append_json(const struct report *report, const char *path) MUST_CHECK;
/* Writes the plot. ERR_IO. */
enum err report_draw(const struct report *report, const char *title, const char *path) MUST_CHECK;
void report_fini(struct report *report);

#endif
