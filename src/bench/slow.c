/* The same load twice: alone, and beside readers that have stopped or a room that is loaded without pause. */
#include "disturber.h"
#include "fanout.h"
#include "progress.h"
#include "scenario.h"

static enum err measure_phase(struct fanout *fanout, enum crowd_phase phase, struct fanout_begin *begin)
{
    enum err err = fanout_load(fanout, fanout->options->warmup_s, "warm-up");

    if (err)
        return err;
    fanout_drain(fanout);
    fanout_begin(fanout, phase, begin);
    err = fanout_load(fanout, fanout->options->duration_s, phase == CROWD_COMPARED ? "alone" : "disturbed");
    if (err)
        return err;
    fanout_drain(fanout);
    atomic_store(&fanout->crowd.phase, CROWD_WARMUP);
    return ERR_OK;
}

enum err slow_run(const struct bench_options *options, struct report *report, bool *ret_lost, char *problem)
{
    static struct fanout fanout;
    struct fanout_begin alone, begin;
    struct disturber disturber;
    enum err err = disturber_start(&disturber, options);

    snprintf(problem, BENCH_PROBLEM_SIZE, "a second process cannot be started");
    if (err)
        return err;
    fanout.is_server_shared = options->hot > 0;
    err = fanout_open(&fanout, options, true);
    if (!err)
        err = measure_phase(&fanout, CROWD_COMPARED, &alone);
    if (!err) {
        err = disturber_go(&disturber, fanout.layout.run);
        if (err)
            snprintf(fanout.problem, sizeof fanout.problem, "the disturbing neighbours could not begin");
    }
    if (!err)
        err = measure_phase(&fanout, CROWD_MEASURED, &begin);
    progress_end();
    if (!err) {
        *ret_lost = fanout_report(&fanout, &begin, report);
        report_count(report, "stalled", options->stalled);
        report_count(report, "hot_members", options->hot);
        fanout_report_comparison(&fanout, report);
    }
    disturber_stop(&disturber);
    snprintf(problem, BENCH_PROBLEM_SIZE, "%s", fanout.problem);
    fanout_close(&fanout);
    return err;
}
