#include <roomcast/core/rebalance.h>

#define STEP_MS        1000
#define LEAST_EXCESS   8    /* connections: what a handful of clients does is no imbalance */
#define TARGET_EXCESS  2000 /* thousandths: connections are whole, and somebody has to have the odd ones */
#define PART           4    /* of what is too much, at most this part a second */
#define HEARD_OF_MS    2000 /* until a client that was sent away is counted elsewhere, beside the beat's age */
#define PROBED         100  /* closes whose effect is judged */
#define RETURN_STEPS   4    /* so long a client that was sent away may be connected nowhere */
#define PROBE_EVERY_MS 60000
#define PAUSE_MS       60000
#define PAUSE_MAX_MS   (32 * PAUSE_MS)
#define QUIET_BEATS    3
#define OVERDUE_MS     100   /* beyond two intervals */
#define TOKEN          60000 /* of the bucket: per_minute of these come in each ms */

void rebalance_init(struct rebalance *rebalance, const struct rebalance_rules *rules)
{
    *rebalance = (struct rebalance){.rules = *rules};
}

/* --- what this node has closed itself --- */

static void note_shed(struct rebalance *rebalance, uint64_t shed_total)
{
    rebalance->recent_at = (rebalance->recent_at + 1) % REBALANCE_RECENT;
    rebalance->recent[rebalance->recent_at] = shed_total - rebalance->shed_total;
    rebalance->shed_total = shed_total;
}

/* In the last `steps`. */
static uint64_t shed_recently(const struct rebalance *rebalance, uint64_t steps)
{
    uint64_t sum = 0;

    for (uint64_t back = 0; back < steps && back < REBALANCE_RECENT; back++)
        sum += rebalance->recent[(rebalance->recent_at + REBALANCE_RECENT - back) % REBALANCE_RECENT];
    return sum;
}

/* --- what the others hold --- */

struct view {
    uint64_t now_ms;
    uint64_t nodes, connections;
    uint64_t shed; /* by them, lately */
    bool overdue;  /* somebody's beat is */
};

static void look_at(void *context, const struct member *member)
{
    struct view *view = context;

    if (member->beat.kind != HEARTBEAT_OF_NODE)
        return;
    view->nodes++;
    view->connections += member->beat.connections;
    view->shed += member->shed;
    if (view->now_ms > member->heard_ms + 2 * member->beat.interval_ms + OVERDUE_MS)
        view->overdue = true;
}

static bool is_calm(const struct rebalance *rebalance, const struct membership *membership,
                    const struct rebalance_self *self, uint64_t now_ms)
{
    uint64_t beats_ms = QUIET_BEATS * membership->interval_ms, quiet_ms = rebalance->rules.quiet_ms;

    return rebalance->rules.per_minute > 0 && self->serving && membership_nodes(membership) > 0 &&
           membership_quiet_ms(membership, now_ms) >= (quiet_ms > beats_ms ? quiet_ms : beats_ms);
}

static uint64_t target_at(const struct rebalance *rebalance, uint64_t mean)
{
    uint64_t above_mean = mean * (rebalance->rules.threshold - 1000) / 8000;

    return mean + (above_mean > TARGET_EXCESS ? above_mean : TARGET_EXCESS);
}

static void forget(struct rebalance *rebalance)
{
    rebalance->shedding = false;
    rebalance->mean = rebalance->counted_mean = rebalance->target = 0;
    rebalance->tokens = 0;
    rebalance->pause_ms = rebalance->paused_until_ms = 0;
}

/* The mean as the beats give it, and as it probably is: clients that were closed lately may be counted
 * nowhere, being on their way, or newer than the beat of the node that has them. */
static void measure(struct rebalance *rebalance, const struct membership *membership,
                    const struct view *others, uint64_t connections)
{
    uint64_t steps = (membership->interval_ms + HEARD_OF_MS + STEP_MS - 1) / STEP_MS;
    rebalance->counted_mean = (connections + others->connections) * 1000 / (others->nodes + 1);
    uint64_t unseen = shed_recently(rebalance, steps) + others->shed;
    rebalance->mean = rebalance->counted_mean + unseen * 1000 / (others->nodes + 1);
    rebalance->target = target_at(rebalance, rebalance->mean);
}

/* --- does it help? --- */

static int64_t above(uint64_t connections, uint64_t mean)
{
    return (int64_t)(connections * 1000) - (int64_t)mean;
}

static void watch(struct rebalance *rebalance, uint64_t connections, uint64_t probe_ms)
{
    rebalance->probe_ms = probe_ms;
    rebalance->watch_shed = rebalance->shed_total;
    rebalance->watch_connections = connections;
}

enum probe { PROBE_NONE, PROBE_WAIT, PROBE_FUTILE };

/* The first hundred are a probe, and then what a minute has closed: when they have had the time to come back,
 * have nine of ten come back to this node? Cuts `count` so that the probe is no larger than it must be. */
static enum probe probe(struct rebalance *rebalance, uint64_t connections, uint64_t now_ms, uint64_t *count)
{
    uint64_t shed = rebalance->shed_total - rebalance->watch_shed;

    if (now_ms < rebalance->probe_ms)
        return PROBE_NONE;
    if (shed < PROBED) {
        *count = *count < PROBED - shed ? *count : PROBED - shed;
        return PROBE_NONE;
    }
    if (shed_recently(rebalance, RETURN_STEPS) > 0)
        return PROBE_WAIT;
    if (connections + shed / 10 > rebalance->watch_connections)
        return PROBE_FUTILE;
    watch(rebalance, connections, now_ms + PROBE_EVERY_MS);
    return PROBE_NONE;
}

static void give_up(struct rebalance *rebalance, uint64_t now_ms)
{
    rebalance->shedding = false;
    rebalance->pause_ms = rebalance->pause_ms == 0 ? PAUSE_MS : 2 * rebalance->pause_ms;
    if (rebalance->pause_ms > PAUSE_MAX_MS)
        rebalance->pause_ms = PAUSE_MAX_MS;
    rebalance->paused_until_ms = now_ms + rebalance->pause_ms;
}

/* --- how many --- */

static void fill_tokens(struct rebalance *rebalance, uint64_t elapsed_ms)
{
    uint64_t a_second = rebalance->rules.per_minute * STEP_MS, most = a_second > TOKEN ? a_second : TOKEN;

    rebalance->tokens += rebalance->rules.per_minute * (elapsed_ms < STEP_MS * 2 ? elapsed_ms : STEP_MS * 2);
    if (rebalance->tokens > most)
        rebalance->tokens = most;
}

static uint64_t take_tokens(struct rebalance *rebalance, uint64_t wanted)
{
    uint64_t there = rebalance->tokens / TOKEN, taken = wanted < there ? wanted : there;

    rebalance->tokens -= taken * TOKEN;
    return taken;
}

static bool is_too_much(const struct rebalance *rebalance, uint64_t connections)
{
    return connections * 1000000 > rebalance->rules.threshold * rebalance->mean &&
           above(connections, rebalance->mean) >= LEAST_EXCESS * 1000;
}

/* How many a second, before the rate: what is too much, and ever more slowly towards the end. */
static uint64_t wanted(const struct rebalance *rebalance, uint64_t connections)
{
    if (connections * 1000 <= rebalance->target)
        return 0; /* by those who are on their way; when they are not, it goes on */
    return (connections * 1000 - rebalance->target + PART * 1000 - 1) / (PART * 1000);
}

static struct rebalance_step shed(struct rebalance *rebalance, uint64_t connections, uint64_t now_ms)
{
    struct rebalance_step step = {.event = REBALANCE_NOTHING};

    if (!rebalance->shedding) {
        if (now_ms < rebalance->paused_until_ms || !is_too_much(rebalance, connections))
            return step;
        rebalance->shedding = true;
        step.event = REBALANCE_STARTED;
        watch(rebalance, connections, now_ms);
    }
    if (connections * 1000 <= target_at(rebalance, rebalance->counted_mean)) {
        rebalance->shedding = false;
        rebalance->pause_ms = 0;
        step.event = REBALANCE_DONE;
        return step;
    }
    uint64_t count = wanted(rebalance, connections);
    switch (probe(rebalance, connections, now_ms, &count)) {
    case PROBE_NONE:
        step.count = take_tokens(rebalance, count);
        break;
    case PROBE_WAIT:
        break;
    case PROBE_FUTILE:
        give_up(rebalance, now_ms);
        step.event = REBALANCE_FUTILE;
        break;
    }
    return step;
}

struct rebalance_step rebalance_run(struct rebalance *rebalance, const struct membership *membership,
                                    const struct rebalance_self *self, uint64_t now_ms)
{
    struct rebalance_step nothing = {.event = REBALANCE_NOTHING};
    struct view others = {.now_ms = now_ms};

    if (rebalance->step_ms > 0 && now_ms < rebalance->step_ms + STEP_MS)
        return nothing;
    uint64_t elapsed_ms = rebalance->step_ms > 0 ? now_ms - rebalance->step_ms : 0;
    rebalance->step_ms = now_ms;
    note_shed(rebalance, self->shed_total);
    if (!is_calm(rebalance, membership, self, now_ms)) {
        const struct rebalance_step step = {.event = rebalance->shedding ? REBALANCE_INTERRUPTED
                                                                         : REBALANCE_NOTHING};
        forget(rebalance);
        return step;
    }
    fill_tokens(rebalance, elapsed_ms);
    membership_each(membership, look_at, &others);
    if (others.overdue)
        return nothing;
    measure(rebalance, membership, &others, self->connections);
    return shed(rebalance, self->connections, now_ms);
}
