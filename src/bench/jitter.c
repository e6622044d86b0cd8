/* Every connection is cut about every --period, is away for --offline, comes back and resumes, while events
 * are published all the time. Everybody is to get everything once and in order. */
#include "churn.h"
#include "progress.h"
#include "scenario.h"

enum err jitter_run(const struct bench_options *options, struct report *report, bool *ret_lost, char *problem)
{
    static struct churn churn = {0};
    struct fanout *fanout = &churn.fanout;
    struct fanout_begin begin;

    churn.period_ns = (uint64_t)(options->period_s * 1e9);
    churn.offline_ns = (uint64_t)(options->offline_s * 1e9);
    enum err err = churn_open(&churn, options);
    if (!err) {
        fanout_begin(fanout, CROWD_MEASURED, &begin);
        atomic_store(&churn.is_cutting, true);
        err = fanout_load(fanout, options->duration_s, "jitter");
        atomic_store(&churn.is_cutting, false);
    }
    if (!err) {
        uint32_t never_back = churn_wait_back(&churn);
        progress_end();
        *ret_lost = fanout_report(fanout, &begin, report) || never_back > 0;
        churn_report(&churn, never_back, report);
    }
    progress_end();
    snprintf(problem, BENCH_PROBLEM_SIZE, "%s", fanout->problem);
    churn_close(&churn);
    return err;
}
