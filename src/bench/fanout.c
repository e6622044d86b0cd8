#include "fanout.h"

#include <stdlib.h>
#include <string.h>

#include <roomcast/base/random.h>

#include "progress.h"
#include "scenario.h"

#define TYPING_TIMES  1024 /* signals of a room that may be under way at a time */
#define TICKS_OF_TURN 16   /* overdue ones, before the clients are read again */
#define FOREVER_S     1e9

/* --- receiving: on every loop's thread --- */

static void finish_slot(struct fanout *fanout, const struct marker *event, uint32_t membership)
{
    if (event->slot >= fanout->options->in_flight)
        return;
    struct fanout_slot *slot = &fanout->slots[event->slot];
    if (fanout->options->until == UNTIL_ALL || slot->awaited == membership)
        atomic_fetch_sub_explicit(&slot->missing, 1, memory_order_release);
}

static void take_event(struct fanout *fanout, struct crowd_loop *loop, uint32_t membership,
                       const struct marker *event, uint64_t now_ns)
{
    struct crowd_stats *stats = crowd_stats(loop);
    enum tally_verdict verdict = tally_take(&fanout->tallies[membership], event->number);

    if (verdict == TALLY_DUPLICATE) {
        stats->duplicates++;
        return;
    }
    stats->late += verdict == TALLY_LATE;
    histogram_record(&stats->latency, now_ns > event->time_ns ? now_ns - event->time_ns : 0);
    if (fanout->hops)
        hops_received(fanout->hops, event, now_ns);
    finish_slot(fanout, event, membership);
    atomic_store_explicit(&loop->last_delivery_ns, now_ns, memory_order_relaxed);
    uint64_t deliveries = atomic_load_explicit(&loop->deliveries, memory_order_relaxed);
    atomic_store_explicit(&loop->deliveries, deliveries + 1, memory_order_release);
}

/* A typing signal carries nothing of ours but its room and its sender; it is the next of its room, and when
 * it left is remembered here. False: the text is another message. */
static bool read_typing(struct fanout *fanout, struct crowd_loop *loop, uint32_t client, struct slice text,
                        struct marker *ret_event)
{
    static const char head[] = "{\"type\":\"chat.typing\",\"chat_id\":\"", user[] = "\",\"user_id\":\"bench-";
    const size_t room_at = sizeof head - 1, user_at = sizeof head - 1 + UUID_TEXT_LEN;

    if (text.len < user_at + sizeof user + 10 || memcmp(text.data, head, sizeof head - 1) != 0)
        return false;
    uint32_t room = layout_room_of(text.data + room_at);
    uint32_t publisher = (uint32_t)strtoul(text.data + user_at + sizeof user - 1 + 9, NULL, 10);
    uint32_t membership = layout_membership(&fanout->layout, crowd_connection(loop->crowd, client), room);
    if (membership == LAYOUT_NONE)
        return false;
    *ret_event =
        (struct marker){.room = room, .number = fanout->tallies[membership].newest + 1, .slot = publisher};
    ret_event->time_ns =
        fanout->options->in_flight > 0 && publisher < fanout->options->in_flight
            ? fanout->slots[publisher].sent_ns
            : atomic_load(&fanout->typing[room * TYPING_TIMES + ret_event->number % TYPING_TIMES]);
    return true;
}

static void on_text(struct crowd_loop *loop, uint32_t client, struct slice text, uint64_t now_ns)
{
    struct fanout *fanout = loop->crowd->options.context;
    struct marker event;
    size_t offset = 0;

    if (client < loop->crowd->options.publishers) {
        if (fanout->on_visitor && client >= fanout->first_visitor)
            fanout->on_visitor(fanout, client - fanout->first_visitor, text, now_ns);
        else
            crowd_stats(loop)->publisher_deliveries += client < loop->crowd->options.publishers_joining;
        return;
    }
    if (fanout->observe)
        fanout->observe(fanout, loop, client, text);
    uint32_t connection = crowd_connection(loop->crowd, client);
    if (fanout->options->via == VIA_TYPING) {
        if (read_typing(fanout, loop, client, text, &event))
            take_event(fanout, loop, layout_membership(&fanout->layout, connection, event.room), &event,
                       now_ns);
        return;
    }
    while (marker_find(text, &offset, &loop->hint, &event)) {
        uint32_t membership = layout_membership(&fanout->layout, connection, event.room);
        if (membership == LAYOUT_NONE)
            crowd_stats(loop)->strays++;
        else
            take_event(fanout, loop, membership, &event, now_ns);
    }
}

/* --- publishing: on loop 0's --- */

static enum err publish(struct fanout *fanout, uint32_t room, uint32_t count, uint32_t slot,
                        uint32_t publisher, uint64_t now_ns)
{
    struct marker events[64];

    while (count > 0) {
        uint32_t step = count < 64 ? count : 64;
        for (uint32_t i = 0; i < step; i++) {
            uint32_t number = ++fanout->numbers[room];
            events[i] = (struct marker){room, number, slot, now_ns};
            if (fanout->options->via == VIA_TYPING)
                atomic_store(&fanout->typing[room * TYPING_TIMES + number % TYPING_TIMES], now_ns);
        }
        fanout->events += step;
        fanout->expected += (uint64_t)step * fanout->layout.members;
        enum err err = fanout->source->publish(fanout->source, events, step, publisher);
        if (err) {
            snprintf(fanout->problem, sizeof fanout->problem, "publishing failed: %s", err_text(err));
            return err;
        }
        count -= step;
    }
    return ERR_OK;
}

static bool is_all_published(const struct fanout *fanout)
{
    return fanout->options->events > 0 && fanout->events >= fanout->options->events;
}

static uint32_t tick_size(const struct fanout *fanout)
{
    uint64_t burst = fanout->options->burst, events = fanout->options->events;
    return (uint32_t)(events > 0 && events - fanout->events < burst ? events - fanout->events : burst);
}

/* Ticks that are due. `next_ns` moves on. */
static enum err publish_due(struct fanout *fanout, uint64_t *next_ns, uint64_t end_ns)
{
    const struct bench_options *options = fanout->options;
    uint64_t interval = (uint64_t)(1e9 * (double)options->burst / options->rate);
    uint64_t now_ns = crowd_now_ns();

    for (int i = 0; i < TICKS_OF_TURN && *next_ns <= now_ns && *next_ns < end_ns; i++) {
        if (is_all_published(fanout))
            return ERR_OK;
        uint32_t room = (uint32_t)(fanout->ticks++ % fanout->layout.rooms);
        histogram_record(fanout->lag, now_ns - *next_ns);
        enum err err = publish(fanout, room, tick_size(fanout), MARKER_NO_SLOT,
                               options->via == VIA_TYPING ? room : 0, now_ns);
        if (err)
            return err;
        *next_ns += interval;
        now_ns = crowd_now_ns();
    }
    return ERR_OK;
}

static enum err publish_finished(struct fanout *fanout)
{
    const struct bench_options *options = fanout->options;

    for (uint32_t i = 0; i < options->in_flight; i++) {
        struct fanout_slot *slot = &fanout->slots[i];
        if (atomic_load_explicit(&slot->missing, memory_order_acquire) != 0)
            continue;
        /* Typing clients stay in the room that they have joined; others take the rooms in turn. */
        slot->room =
            (uint32_t)((options->via == VIA_TYPING || slot->sent_ns == 0 ? i
                                                                         : slot->room + options->in_flight) %
                       fanout->layout.rooms);
        slot->awaited = slot->room * fanout->layout.members + i % fanout->layout.members;
        slot->sent_ns = crowd_now_ns();
        atomic_store(&slot->missing, options->until == UNTIL_ALL ? fanout->layout.members : 1);
        enum err err = publish(fanout, slot->room, 1, i, i, slot->sent_ns);
        if (err)
            return err;
    }
    return ERR_OK;
}

enum err fanout_load(struct fanout *fanout, double seconds, const char *phase)
{
    uint64_t now_ns = crowd_now_ns(), next_ns = now_ns, end_ns = now_ns + (uint64_t)(seconds * 1e9);
    uint64_t longest_wait =
        fanout->crowd.options.loops > 1 && fanout->options->in_flight > 0 ? 50000 : 1000000;
    enum err err = ERR_OK;

    while (now_ns < end_ns && !err && !is_all_published(fanout)) {
        uint64_t wait = longest_wait;
        if (fanout->options->in_flight > 0) {
            err = publish_finished(fanout);
        } else {
            err = publish_due(fanout, &next_ns, end_ns);
            now_ns = crowd_now_ns();
            wait = next_ns > now_ns ? next_ns - now_ns : 0;
            wait = wait < longest_wait ? wait : longest_wait;
        }
        crowd_turn(&fanout->crowd, wait);
        now_ns = crowd_now_ns();
        progress_show(phase, &fanout->crowd, now_ns);
    }
    return err;
}

enum err fanout_publish_burst(struct fanout *fanout)
{
    return publish(fanout, 0, (uint32_t)fanout->options->burst, MARKER_NO_SLOT, 0, crowd_now_ns());
}

enum err fanout_publish_round(struct fanout *fanout)
{
    enum err err = ERR_OK;

    for (uint32_t room = 0; room < fanout->layout.rooms && !err; room++) {
        err = publish(fanout, room, 1, MARKER_NO_SLOT, fanout->options->via == VIA_TYPING ? room : 0,
                      crowd_now_ns());
        crowd_turn(&fanout->crowd, 0);
    }
    fanout_drain(fanout);
    return err;
}

void fanout_drain(struct fanout *fanout)
{
    uint64_t seen = crowd_deliveries(&fanout->crowd), since_ns = crowd_now_ns();
    uint64_t patience = (uint64_t)(fanout->options->drain_s * 1e9);

    while (seen < fanout->expected && crowd_now_ns() - since_ns < patience) {
        crowd_turn(&fanout->crowd, 100000);
        uint64_t now_seen = crowd_deliveries(&fanout->crowd);
        if (now_seen != seen)
            since_ns = crowd_now_ns();
        seen = now_seen;
    }
    for (uint32_t i = 0; i < fanout->options->in_flight; i++)
        atomic_store(&fanout->slots[i].missing, 0);
}

/* --- opening --- */

static enum err allocate(struct fanout *fanout)
{
    fanout->tallies = calloc(layout_memberships(&fanout->layout), sizeof *fanout->tallies);
    fanout->numbers = calloc(fanout->layout.rooms, sizeof *fanout->numbers);
    fanout->slots = calloc(fanout->options->in_flight + 1, sizeof *fanout->slots);
    fanout->lag = calloc(1, sizeof *fanout->lag);
    if (fanout->options->via == VIA_TYPING)
        fanout->typing = calloc((size_t)fanout->layout.rooms * TYPING_TIMES, sizeof *fanout->typing);
    bool has_typing = fanout->typing || fanout->options->via != VIA_TYPING;
    return fanout->tallies && fanout->numbers && fanout->slots && fanout->lag && has_typing ? ERR_OK
                                                                                            : ERR_NO_MEMORY;
}

static enum err open_hops(struct fanout *fanout)
{
    enum err err = hops_new(fanout->layout.rooms, fanout->layout.members, &fanout->hops);

    if (!err)
        err = hops_watch_new(fanout->options, &fanout->layout, fanout->hops, &fanout->watch, fanout->problem);
    fanout->source->hops = fanout->hops;
    return err;
}

enum err fanout_open(struct fanout *fanout, const struct bench_options *options, bool has_source)
{
    fanout->options = options;
    fanout->layout = (struct layout){(uint32_t)options->rooms, (uint32_t)options->members,
                                     (uint32_t)options->connections, 0};
    if (options->run > 0)
        fanout->layout.run = (uint32_t)options->run;
    else
        random_bytes(&fanout->layout.run, sizeof fanout->layout.run);
    fanout->first_visitor = has_source ? source_publishers(options) : 0;
    enum err err = target_init(&fanout->target, &options->target, fanout->problem);
    if (err)
        return err;
    const struct crowd_options crowd = {
        .target = &fanout->target,
        .layout = &fanout->layout,
        .publishers = fanout->first_visitor + fanout->visitors,
        .publishers_joining = options->via == VIA_TYPING ? fanout->first_visitor : 0,
        .loops = (uint32_t)options->threads,
        .opening = (uint32_t)options->opening,
        .places = fanout->places,
        .on_turn = fanout->on_turn,
        .on_text = on_text,
        .context = fanout,
    };
    snprintf(fanout->problem, sizeof fanout->problem, "out of memory");
    err = allocate(fanout);
    if (!err)
        err = crowd_init(&fanout->crowd, &crowd);
    if (!err && has_source)
        err = source_new(options, &fanout->layout, &fanout->crowd, &fanout->source, fanout->problem);
    if (!err && has_source && options->hops)
        err = open_hops(fanout);
    if (!err)
        err = target_make_tokens(&fanout->target, &fanout->layout, fanout->crowd.count, fanout->problem);
    if (!err)
        err = crowd_start(&fanout->crowd);
    if (!err)
        err = crowd_open_all(&fanout->crowd, fanout->problem);
    if (!err)
        crowd_rest(&fanout->crowd, options->settle_s);
    return err;
}

void fanout_close(struct fanout *fanout)
{
    crowd_fini(&fanout->crowd);
    source_free(&fanout->source);
    hops_watch_free(&fanout->watch);
    hops_free(&fanout->hops);
    target_fini(&fanout->target);
    free(fanout->tallies);
    free(fanout->numbers);
    free(fanout->typing);
    free(fanout->slots);
    free(fanout->lag);
    free(fanout->places);
}

/* --- the scenario --- */

/* Instead of a load: at most so many seconds for the first of the events that another process sends, and then
 * until all have come. */
static void listen_to_others(struct fanout *fanout, double seconds)
{
    uint64_t before = crowd_deliveries(&fanout->crowd), end_ns = crowd_now_ns() + (uint64_t)(seconds * 1e9);

    fanout->events += fanout->options->events;
    fanout->expected += fanout->options->events * fanout->layout.members;
    while (crowd_deliveries(&fanout->crowd) == before && crowd_now_ns() < end_ns) {
        crowd_turn(&fanout->crowd, 1000000);
        progress_show("listening", &fanout->crowd, crowd_now_ns());
    }
    fanout_drain(fanout);
}

static enum err measure(struct fanout *fanout, struct report *report, bool *ret_lost)
{
    const struct bench_options *options = fanout->options;
    struct fanout_begin begin;
    enum err err = options->events > 0 ? ERR_OK : fanout_load(fanout, options->warmup_s, "warm-up");

    if (err)
        return err;
    fanout_drain(fanout);
    fanout_begin(fanout, CROWD_MEASURED, &begin);
    if (options->listen_only)
        listen_to_others(fanout, options->duration_s);
    else
        err = fanout_load(fanout, options->events > 0 ? FOREVER_S : options->duration_s, "measuring");
    if (err)
        return err;
    fanout_drain(fanout);
    *ret_lost = fanout_report(fanout, &begin, report);
    return ERR_OK;
}

enum err fanout_run(const struct bench_options *options, struct report *report, bool *ret_lost, char *problem)
{
    static struct fanout fanout;
    enum err err = fanout_open(&fanout, options, !options->listen_only);

    if (!err)
        err = measure(&fanout, report, ret_lost);
    progress_end();
    snprintf(problem, BENCH_PROBLEM_SIZE, "%s", fanout.problem);
    fanout_close(&fanout);
    return err;
}
