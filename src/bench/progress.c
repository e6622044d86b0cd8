#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define INTERVAL_NS 250000000u

/* One terminal, one line: main thread only. */
static struct {
    uint64_t shown_ns, deliveries;
    int is_terminal; /* 0: not asked yet; 1: yes; -1: no */
} line;

void progress_show(const char *phase, const struct crowd *crowd, uint64_t now_ns)
{
    if (line.is_terminal == 0)
        line.is_terminal = isatty(STDERR_FILENO) ? 1 : -1;
    if (line.is_terminal < 0 || now_ns - line.shown_ns < INTERVAL_NS)
        return;
    uint64_t deliveries = crowd_deliveries(crowd);
    double per_s = (double)(deliveries - line.deliveries) * 1e9 / (double)(now_ns - line.shown_ns);
    fprintf(stderr, "\r\033[K%-9s %u of %u connections  %" PRIu64 " deliveries  %.0f/s", phase,
            crowd_ready(crowd), crowd->count, deliveries, line.shown_ns ? per_s : 0.0);
    line.shown_ns = now_ns;
    line.deliveries = deliveries;
}

void progress_end(void)
{
    if (line.shown_ns)
        fputs("\r\033[K", stderr);
    line.shown_ns = 0;
}
