/* Joins and leaves of ever new rooms, as when people open one chat after the other: every join is a
 * subscription on NATS, and every leave ends one. The load of `fanout` runs beside it, and before it alone.
 */
#include <stdlib.h>

#include "fanout.h"
#include "progress.h"
#include "scenario.h"

#define JOINS_OF_TURN 64 /* overdue ones, before the answers are read again */

enum visitor_state { VISITOR_OUT, VISITOR_JOINING, VISITOR_LEAVING };

struct visitor {
    enum visitor_state state;
    uint32_t room;
    uint64_t asked_ns;
};

struct room_churn {
    struct fanout fanout;
    struct visitor *visitors; /* owned; options->churners of them */
    struct buffer output;     /* scratch */
    bool is_joining;
    uint32_t turn, rooms; /* whose turn it is; rooms that were joined before */
    uint64_t next_ns;     /* when the next join is due */
    enum err err;         /* a visitor could not send */
    uint64_t refused, strays;
    struct histogram joined, left, lag; /* of the phase MEASURED, ns */
};

/* What the clocks said, and how much was done. */
struct cost {
    uint64_t wall_ns, server_ns, bus_ns, cycles;
};

static bool is_measured(const struct room_churn *churn)
{
    return atomic_load(&churn->fanout.crowd.phase) == CROWD_MEASURED;
}

static void ask(struct room_churn *churn, uint32_t number, enum visitor_state state)
{
    struct fanout *fanout = &churn->fanout;
    struct visitor *visitor = &churn->visitors[number];

    buffer_clear(&churn->output);
    if (state == VISITOR_JOINING)
        target_append_join_room(&fanout->target, &fanout->layout, visitor->room, 1, &churn->output);
    else
        target_append_leave_room(&fanout->layout, visitor->room, &churn->output);
    visitor->state = state;
    visitor->asked_ns = crowd_now_ns();
    enum err err = crowd_send(&fanout->crowd, fanout->first_visitor + number, buffer_slice(&churn->output));
    if (err && !churn->err) {
        churn->err = err;
        snprintf(fanout->problem, sizeof fanout->problem, "a connection that joins rooms is lost: %s",
                 crowd_problem(&fanout->crowd));
    }
}

static void on_visitor(struct fanout *fanout, uint32_t number, struct slice text, uint64_t now_ns)
{
    struct room_churn *churn = fanout->context;
    struct visitor *visitor = &churn->visitors[number];

    switch (target_read_reply(&fanout->target, text)) {
    case TARGET_REPLY_JOINED:
        churn->strays += visitor->state != VISITOR_JOINING;
        if (is_measured(churn))
            histogram_record(&churn->joined, now_ns - visitor->asked_ns);
        ask(churn, number, VISITOR_LEAVING);
        return;
    case TARGET_REPLY_LEFT:
        churn->strays += visitor->state != VISITOR_LEAVING;
        if (is_measured(churn))
            histogram_record(&churn->left, now_ns - visitor->asked_ns);
        visitor->state = VISITOR_OUT;
        return;
    case TARGET_REPLY_REFUSED:
        churn->refused++;
        visitor->state = VISITOR_OUT;
        return;
    case TARGET_REPLY_CONNECTED:
    case TARGET_REPLY_NONE:
        return;
    }
}

/* Joins that are due; the visitors take turns. When the next one is still busy the schedule is late. */
static void on_turn(struct crowd_loop *loop, uint64_t now_ns)
{
    struct fanout *fanout = loop->crowd->options.context;
    struct room_churn *churn = fanout->context;

    if (loop->index != 0 || !churn->is_joining || churn->err)
        return;
    for (int i = 0; i < JOINS_OF_TURN && churn->next_ns <= now_ns; i++) {
        struct visitor *visitor = &churn->visitors[churn->turn];
        if (visitor->state != VISITOR_OUT)
            return;
        visitor->room = fanout->layout.rooms + churn->rooms++;
        if (is_measured(churn))
            histogram_record(&churn->lag, now_ns - churn->next_ns);
        ask(churn, churn->turn, VISITOR_JOINING);
        churn->turn = (churn->turn + 1) % fanout->visitors;
        churn->next_ns += (uint64_t)(1e9 / fanout->options->join_rate);
    }
}

static struct cost cost_now(const struct room_churn *churn)
{
    const struct bench_options *options = churn->fanout.options;
    return (struct cost){crowd_now_ns(), proc_cpu_ns(&options->server), proc_cpu_ns(&options->bus),
                         churn->left.count};
}

static enum err measure_phase(struct room_churn *churn, enum crowd_phase phase, struct fanout_begin *begin,
                              struct cost *ret_cost)
{
    struct fanout *fanout = &churn->fanout;
    enum err err = fanout_load(fanout, fanout->options->warmup_s, "warm-up");

    if (err)
        return err;
    fanout_drain(fanout);
    fanout_begin(fanout, phase, begin);
    struct cost before = cost_now(churn);
    err = fanout_load(fanout, fanout->options->duration_s, phase == CROWD_COMPARED ? "alone" : "churn");
    if (err)
        return err;
    struct cost after = cost_now(churn);
    *ret_cost = (struct cost){after.wall_ns - before.wall_ns, after.server_ns - before.server_ns,
                              after.bus_ns - before.bus_ns, after.cycles - before.cycles};
    churn->is_joining = false;
    fanout_drain(fanout);
    return churn->err;
}

/* Returns how many have got no answer. */
static uint32_t wait_out(struct room_churn *churn)
{
    struct fanout *fanout = &churn->fanout;
    uint64_t end_ns = crowd_now_ns() + (uint64_t)(fanout->options->drain_s * 1e9);
    uint32_t inside;

    do {
        inside = 0;
        crowd_turn(&fanout->crowd, 1000000);
        for (uint32_t i = 0; i < fanout->visitors; i++)
            inside += churn->visitors[i].state != VISITOR_OUT;
    } while (inside > 0 && !churn->err && crowd_now_ns() < end_ns);
    return inside;
}

/* What the joins and leaves took beyond what the load beside them takes by itself, microseconds of each pair.
 */
static double share(uint64_t with_ns, uint64_t alone_ns, const struct cost *with, const struct cost *alone)
{
    double own = (double)alone_ns * (double)with->wall_ns / (double)alone->wall_ns;
    return with->cycles > 0 ? ((double)with_ns - own) / 1e3 / (double)with->cycles : 0;
}

static void report_churn(const struct room_churn *churn, const struct cost *alone, const struct cost *with,
                         uint32_t unanswered, struct report *report)
{
    report_count(report, "churners", churn->fanout.visitors);
    report_real(report, "join_rate_per_s", churn->fanout.options->join_rate);
    report_count(report, "joins", with->cycles);
    report_real(report, "joins_per_s", (double)with->cycles * 1e9 / (double)with->wall_ns);
    report_count(report, "refused", churn->refused);
    report_count(report, "unanswered", unanswered);
    report_latency(report, "join", &churn->joined);
    report_latency(report, "leave", &churn->left);
    report_real(report, "join_lag_p99_us", (double)histogram_percentile(&churn->lag, 0.99) / 1e3);
    report_real(report, "server_us_per_join_and_leave",
                share(with->server_ns, alone->server_ns, with, alone));
    report_real(report, "bus_us_per_join_and_leave", share(with->bus_ns, alone->bus_ns, with, alone));
}

enum err room_churn_run(const struct bench_options *options, struct report *report, bool *ret_lost,
                        char *problem)
{
    static struct room_churn churn;
    struct fanout *fanout = &churn.fanout;
    struct fanout_begin begin;
    struct cost alone, with;

    buffer_init(&churn.output, 4096);
    churn.visitors = calloc(options->churners, sizeof *churn.visitors);
    fanout->visitors = (uint32_t)options->churners;
    fanout->on_visitor = on_visitor;
    fanout->on_turn = on_turn;
    fanout->context = &churn;
    fanout->is_server_shared = true;
    enum err err = churn.visitors ? fanout_open(fanout, options, true) : ERR_NO_MEMORY;
    if (!err)
        err = measure_phase(&churn, CROWD_COMPARED, &begin, &alone);
    churn.next_ns = crowd_now_ns();
    churn.is_joining = true;
    if (!err)
        err = measure_phase(&churn, CROWD_MEASURED, &begin, &with);
    progress_end();
    if (!err) {
        uint32_t unanswered = wait_out(&churn);
        *ret_lost =
            fanout_report(fanout, &begin, report) || unanswered > 0 || churn.refused > 0 || churn.strays > 0;
        fanout_report_comparison(fanout, report);
        report_churn(&churn, &alone, &with, unanswered, report);
    }
    snprintf(problem, BENCH_PROBLEM_SIZE, "%s", fanout->problem);
    fanout_close(fanout);
    free(churn.visitors);
    buffer_fini(&churn.output);
    return err;
}
