/* What a connection costs that does nothing: memory before and after, CPU of the pings. */
#include "fanout.h"
#include "scenario.h"

static double share(uint64_t after, uint64_t before, uint64_t count)
{
    return after > before ? (double)(after - before) / (double)count : 0;
}

static void report_memory(const struct bench_options *options, const struct proc_memory *before,
                          const char *const names[3], struct report *report)
{
    struct proc_memory now = proc_memory(&options->server);

    report_real(report, names[0], share(now.anonymous, before->anonymous, options->connections));
    report_real(report, names[1], share(now.rss, before->rss, options->connections));
    report_real(report, names[2], share(now.pss, before->pss, options->connections));
}

static enum err measure(struct fanout *fanout, const struct proc_memory *before, struct report *report)
{
    static const char *const idle[] = {"anonymous_bytes_per_connection", "rss_bytes_per_connection",
                                       "pss_bytes_per_connection"},
                             *const busy[] = {"busy_anonymous_bytes_per_connection",
                                              "busy_rss_bytes_per_connection",
                                              "busy_pss_bytes_per_connection"};
    const struct bench_options *options = fanout->options;

    report_memory(options, before, idle, report);
    uint64_t server_ns = proc_cpu_ns(&options->server), begin_ns = crowd_now_ns();
    crowd_rest(&fanout->crowd, options->duration_s);
    report_real(report, "server_cpu",
                (double)(proc_cpu_ns(&options->server) - server_ns) / (double)(crowd_now_ns() - begin_ns));
    for (uint64_t i = 0; i < options->busy; i++) {
        enum err err = fanout_publish_round(fanout);
        if (err)
            return err;
    }
    if (options->busy > 0) {
        crowd_rest(&fanout->crowd, options->settle_s);
        report_memory(options, before, busy, report);
    }
    return ERR_OK;
}

enum err idle_run(const struct bench_options *options, struct report *report, bool *ret_lost, char *problem)
{
    static struct fanout fanout;
    struct proc_memory before = proc_memory(&options->server);
    enum err err = fanout_open(&fanout, options, options->busy > 0);

    report_count(report, "connections", options->connections);
    report_count(report, "rooms", options->rooms);
    report_count(report, "memberships", options->rooms * options->members);
    if (!err)
        err = measure(&fanout, &before, report);
    if (!err)
        report_count(report, "connections_lost", crowd_failed(&fanout.crowd));
    *ret_lost = crowd_failed(&fanout.crowd) > 0;
    snprintf(problem, BENCH_PROBLEM_SIZE, "%s", fanout.problem);
    fanout_close(&fanout);
    return err;
}
