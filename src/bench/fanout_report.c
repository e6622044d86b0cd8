/* From when on is measured, and what was found. */
#include "fanout.h"

#include <string.h>

#define SATURATED_CPU    0.9      /* of a core, by one loop's thread */
#define SATURATED_LAG_NS 10000000 /* behind the schedule, one tick in a hundred */

static uint64_t last_delivery_ns(const struct crowd *crowd)
{
    uint64_t last = 0;
    for (uint32_t i = 0; i < crowd->options.loops; i++) {
        uint64_t of_loop = atomic_load(&crowd->loops[i].last_delivery_ns);
        last = of_loop > last ? of_loop : last;
    }
    return last;
}

static double per(double value, double count)
{
    return count > 0 ? value / count : 0;
}

static void report_load(const struct fanout *fanout, struct report *report)
{
    static const char *const vias[] = {"nats", "redis", "typing", "target"};
    const struct bench_options *options = fanout->options;

    report_text(report, "target", options->target.kind == TARGET_ROOMCAST ? "roomcast" : "raw-ws");
    report_text(report, "via", vias[options->via]);
    report_count(report, "rooms", options->rooms);
    report_count(report, "members", options->members);
    report_count(report, "connections", options->connections);
    report_count(report, "payload_bytes", options->payload);
    report_count(report, "in_flight", options->in_flight);
    report_real(report, "rate_per_s", options->in_flight ? 0 : options->rate);
    report_count(report, "burst", options->burst);
}

static uint64_t missing(uint64_t expected, uint64_t deliveries)
{
    return expected > deliveries ? expected - deliveries : 0;
}

static void report_server(const struct fanout *fanout, double cpu_ns, double wall_ns, double served,
                          struct report *report)
{
    struct proc_memory memory = proc_memory(&fanout->options->server);

    if (!fanout->is_server_shared)
        report_real(report, "server_us_per_delivery", per(cpu_ns / 1e3, served));
    report_real(report, "server_cpu", cpu_ns / wall_ns);
    report_count(report, "server_rss_bytes", memory.rss);
    report_count(report, "server_pss_bytes", memory.pss);
    report_count(report, "server_anonymous_bytes", memory.anonymous);
}

bool fanout_report(struct fanout *fanout, struct fanout_begin *begin, struct report *report)
{
    static struct crowd_stats stats;
    struct crowd *crowd = &fanout->crowd;
    uint64_t server_ns = proc_cpu_ns(&fanout->options->server) - begin->server_ns;
    uint64_t user_ns = proc_own_user_ns() - begin->user_ns, last_ns = last_delivery_ns(crowd);
    uint64_t expected = fanout->expected - begin->expected,
             deliveries = crowd_deliveries(crowd) - begin->deliveries;
    double wall_ns = last_ns > begin->wall_ns ? (double)(last_ns - begin->wall_ns) : 1;
    double generator =
        (double)crowd_busiest_ns(crowd, begin->loops_ns) / (double)(crowd_now_ns() - begin->wall_ns);
    uint64_t lag_p99 = histogram_percentile(fanout->lag, 0.99);

    crowd_merge(crowd, CROWD_MEASURED, &stats);
    report_load(fanout, report);
    double served = (double)(deliveries + stats.publisher_deliveries);
    report_real(report, "seconds", wall_ns / 1e9);
    report_count(report, "events", fanout->events - begin->events);
    report_count(report, "expected", expected);
    report_count(report, "deliveries", deliveries);
    report_count(report, "lost", missing(expected, deliveries));
    report_count(report, "lost_before", missing(begin->expected, begin->deliveries));
    report_count(report, "duplicates", stats.duplicates);
    report_count(report, "out_of_order", stats.late);
    report_count(report, "strays", stats.strays);
    report_count(report, "connections_lost", crowd_failed(crowd));
    report_real(report, "deliveries_per_s", (double)deliveries * 1e9 / wall_ns);
    report_real(report, "frame_bytes", per((double)stats.bytes, (double)deliveries));
    report_flag(report, "compression", fanout->options->target.compression);
    report_count(report, "compressed_frames", stats.deflated_frames);
    report_real(report, "message_bytes", per((double)stats.message_bytes, (double)deliveries));
    report_latency(report, "latency", &stats.latency);
    if (fanout->hops) {
        hops_settle(fanout->hops);
        hops_report(fanout->hops, report);
    }
    if (fanout->options->server.count > 0)
        report_server(fanout, (double)server_ns, wall_ns, served, report);
    report_real(report, "schedule_lag_p99_us", (double)lag_p99 / 1e3);
    report_real(report, "generator_cpu", generator);
    report_real(report, "generator_user_us_per_delivery", per((double)user_ns / 1e3, served));
    report_flag(report, "generator_saturated", generator > SATURATED_CPU || lag_p99 > SATURATED_LAG_NS);
    bool has_lost_connections = crowd_failed(crowd) > 0 && !fanout->places; /* who resumes may lose them */
    /* Several publisher connections have no order among each other. */
    bool is_disordered =
        stats.late > 0 && !(fanout->options->via == VIA_TARGET && fanout->options->in_flight > 1);
    return crowd_deliveries(crowd) != fanout->expected || stats.duplicates || is_disordered || stats.strays ||
           has_lost_connections;
}

static double ratio(uint64_t with, uint64_t without)
{
    return without > 0 ? (double)with / (double)without : 0;
}

void fanout_report_comparison(const struct fanout *fanout, struct report *report)
{
    static struct crowd_stats alone, disturbed;

    crowd_merge(&fanout->crowd, CROWD_COMPARED, &alone);
    crowd_merge(&fanout->crowd, CROWD_MEASURED, &disturbed);
    report_latency(report, "alone_latency", &alone.latency);
    report_real(
        report, "p50_ratio",
        ratio(histogram_percentile(&disturbed.latency, 0.5), histogram_percentile(&alone.latency, 0.5)));
    report_real(
        report, "p99_ratio",
        ratio(histogram_percentile(&disturbed.latency, 0.99), histogram_percentile(&alone.latency, 0.99)));
}

void fanout_begin(struct fanout *fanout, enum crowd_phase phase, struct fanout_begin *begin)
{
    histogram_clear(fanout->lag);
    if (fanout->hops)
        hops_clear(fanout->hops);
    atomic_store(&fanout->crowd.phase, phase);
    begin->events = fanout->events;
    begin->expected = fanout->expected;
    begin->deliveries = crowd_deliveries(&fanout->crowd);
    memset(begin->loops_ns, 0, sizeof begin->loops_ns);
    crowd_busiest_ns(&fanout->crowd, begin->loops_ns);
    begin->user_ns = proc_own_user_ns();
    begin->server_ns = proc_cpu_ns(&fanout->options->server);
    begin->wall_ns = crowd_now_ns();
}
