/* A latency plot for people: percentile across, milliseconds up, both logarithmic. */
#ifndef ROOMCAST_BENCH_SVG_H
#define ROOMCAST_BENCH_SVG_H

#include <stddef.h>
#include <stdio.h>

#include "histogram.h"

struct svg_curve {
    const char *name; /* printable; escaped here */
    const struct histogram *latency;
};

#define SVG_CURVES_MAX 4
/* At most SVG_CURVES_MAX curves; those without values are left out. */
void svg_draw(const char *title, const struct svg_curve *curves, size_t count, FILE *output);

#endif
