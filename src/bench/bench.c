#include <roomcast/bench/bench.h>

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <roomcast/base/log.h>

#include "bench_access.h"
#include "options.h"
#include "report.h"
#include "scenario.h"

/* Every connection is a descriptor; schedules are kept to the microsecond. */
static void prepare_process(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    prctl(PR_SET_TIMERSLACK, 1000);
}

static int publish_report(const struct bench_options *options, const struct report *report)
{
    if (!options->json || strcmp(options->json, "-") != 0)
        report_print_table(report, stdout);
    if (options->json && report_append_json(report, options->json)) {
        fprintf(stderr, "roomcast-bench: --json %s: cannot be written\n", options->json);
        return 2;
    }
    char title[128];
    snprintf(title, sizeof title, "roomcast-bench %s, %s", options->scenario->name, options->target.url);
    if (options->svg && report_draw(report, title, options->svg)) {
        fprintf(stderr, "roomcast-bench: --svg %s: cannot be written\n", options->svg);
        return 2;
    }
    return 0;
}

static enum err run(struct bench_options *options, struct report *report, bool *ret_lost, char *problem)
{
    struct bench_access *access = NULL;
    enum err err = bench_access_new(options, &access, problem);

    if (err != ERR_OK)
        return err;
    options->access = access;
    err = options->scenario->run(options, report, ret_lost, problem);
    bench_access_free(&access);
    return err;
}

int bench_run(int argc, char **argv)
{
    static struct report report;
    struct bench_options options;
    char problem[BENCH_PROBLEM_SIZE] = "";
    bool lost = false;

    switch (options_parse(argc, argv, stdout, stderr, &options)) {
    case OPTIONS_DONE:
        return 0;
    case OPTIONS_WRONG:
        return 2;
    case OPTIONS_RUN:
        break;
    }
    log_init(LOG_WARN, LOG_LOGFMT, NULL);
    prepare_process();
    report_text(&report, "scenario", options.scenario->name);
    report_text(&report, "version", ROOMCAST_VERSION);
    if (run(&options, &report, &lost, problem) != ERR_OK) {
        fprintf(stderr, "roomcast-bench: %s\n", problem);
        return 2;
    }
    int written = publish_report(&options, &report);
    report_fini(&report);
    return written ? written : lost;
}
