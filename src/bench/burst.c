/* Many events to one room at once: how long until everybody has the last of them. */
#include "fanout.h"
#include "progress.h"
#include "scenario.h"

/* The generator waits until a burst has arrived before it sends the next: what is measured is one burst, not
 * a queue of them. */
static enum err run(struct fanout *fanout, struct histogram *completed)
{
    uint64_t end_ns = crowd_now_ns() + (uint64_t)(fanout->options->duration_s * 1e9);
    enum err err = ERR_OK;

    while (crowd_now_ns() < end_ns) {
        uint64_t begin_ns = crowd_now_ns();
        err = fanout_publish_burst(fanout);
        if (err)
            break;
        fanout_drain(fanout);
        if (crowd_deliveries(&fanout->crowd) < fanout->expected)
            break; /* it will never be complete: the report tells what was lost */
        histogram_record(completed, crowd_now_ns() - begin_ns);
        progress_show("burst", &fanout->crowd, crowd_now_ns());
    }
    return err;
}

enum err burst_run(const struct bench_options *options, struct report *report, bool *ret_lost, char *problem)
{
    static struct fanout fanout;
    static struct histogram completed;
    struct fanout_begin begin;
    enum err err = fanout_open(&fanout, options, true);

    if (!err)
        err = fanout_publish_burst(&fanout);
    if (!err) {
        fanout_drain(&fanout);
        fanout_begin(&fanout, CROWD_MEASURED, &begin);
        err = run(&fanout, &completed);
    }
    progress_end();
    if (!err) {
        report_latency(report, "burst_complete", &completed);
        *ret_lost = fanout_report(&fanout, &begin, report);
    }
    snprintf(problem, BENCH_PROBLEM_SIZE, "%s", fanout.problem);
    fanout_close(&fanout);
    return err;
}
