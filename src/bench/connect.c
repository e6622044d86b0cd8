/* Handshakes: TCP, upgrade and token, until the server has let the client in. Nobody joins a room. Every
 * connection of a round is held until the round is over; each has a token of its own, made ahead. */
#include <stdlib.h>

#include <roomcast/base/random.h>

#include "crowd.h"
#include "progress.h"
#include "scenario.h"

struct handshakes {
    struct histogram upgraded, opened;
    uint64_t count, wall_ns, server_ns, generator_ns;
};

static void ignore(struct crowd_loop *loop, uint32_t client, struct slice text, uint64_t now_ns)
{
    (void)loop;
    (void)client;
    (void)text;
    (void)now_ns;
}

/* What the clocks said when a round began. */
struct round_begin {
    uint64_t wall_ns, server_ns;
    uint64_t
        loops_ns[CROWD_LOOPS_MAX]; /* of loop 0, whose thread did other things before; the others are new */
};

static void add_round(struct handshakes *sum, struct crowd *crowd, struct round_begin *begin,
                      const struct proc_set *server)
{
    sum->wall_ns += crowd_now_ns() - begin->wall_ns;
    sum->server_ns += proc_cpu_ns(server) - begin->server_ns;
    sum->generator_ns += crowd_busiest_ns(crowd, begin->loops_ns);
    sum->count += crowd->count;
    for (uint32_t i = 0; i < crowd->options.loops; i++) {
        histogram_merge(&sum->upgraded, crowd->loops[i].upgraded);
        histogram_merge(&sum->opened, crowd->loops[i].opened);
    }
}

/* One round; its connections are closed at the end. */
static enum err run_round(const struct bench_options *options, struct handshakes *sum, char *problem)
{
    static struct crowd crowd;
    struct target target;
    struct layout layout = {1, 1, (uint32_t)options->connections, 0};
    const struct crowd_options how = {
        .target = &target,
        .layout = &layout,
        .loops = (uint32_t)options->threads,
        .opening = (uint32_t)options->opening,
        .only_connect = true,
        .on_text = ignore,
    };

    random_bytes(&layout.run, sizeof layout.run);
    enum err err = target_init(&target, &options->target, problem);
    if (err)
        return err;
    err = target_make_tokens(&target, &layout, layout.connections, problem);
    if (!err)
        err = crowd_init(&crowd, &how);
    struct round_begin begin = {crowd_now_ns(), proc_cpu_ns(&options->server), {proc_thread_cpu_ns()}};
    if (!err)
        err = crowd_start(&crowd);
    if (!err)
        err = crowd_open_all(&crowd, problem);
    if (!err)
        add_round(sum, &crowd, &begin, &options->server);
    crowd_fini(&crowd);
    target_fini(&target);
    return err;
}

enum err connect_run(const struct bench_options *options, struct report *report, bool *ret_lost,
                     char *problem)
{
    struct handshakes *sum = calloc(1, sizeof *sum);
    enum err err = sum ? ERR_OK : ERR_NO_MEMORY;

    for (uint64_t round = 0; round < options->rounds && !err; round++)
        err = run_round(options, sum, problem);
    progress_end();
    if (!err) {
        double count = (double)sum->count, generator = (double)sum->generator_ns / (double)sum->wall_ns;
        report_count(report, "handshakes", sum->count);
        report_count(report, "opening", options->opening * options->threads);
        report_real(report, "seconds", (double)sum->wall_ns / 1e9);
        report_real(report, "handshakes_per_s", count * 1e9 / (double)sum->wall_ns);
        if (sum->server_ns > 0) {
            report_real(report, "server_us_per_handshake", (double)sum->server_ns / 1e3 / count);
            report_real(report, "handshakes_per_core_second", count * 1e9 / (double)sum->server_ns);
        }
        report_latency(report, "upgraded", &sum->upgraded);
        report_latency(report, "connected", &sum->opened);
        report_real(report, "generator_cpu", generator);
        report_flag(report, "generator_saturated", generator > 0.9);
    }
    *ret_lost = false;
    free(sum);
    return err;
}
