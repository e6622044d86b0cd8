#include "hops.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[HOPS_COUNT] = {
    [HOP_XADD] = "hop_xadd",     [HOP_RELAY] = "hop_relay",   [HOP_NODE] = "hop_node",
    [HOP_BROKER] = "hop_broker", [HOP_FANOUT] = "hop_fanout", [HOP_FANOUT_MEDIAN] = "hop_fanout_median",
    [HOP_TOTAL] = "hop_total",
};

enum err hops_new(uint32_t rooms, uint32_t members, struct hops **ret_hops)
{
    struct hops *hops = calloc(1, sizeof *hops);

    if (!hops)
        return ERR_NO_MEMORY;
    hops->rooms = rooms;
    hops->members = members;
    *ret_hops = hops;
    return ERR_OK;
}

void hops_free(struct hops **hops)
{
    free(*hops);
    *hops = NULL;
}

/* --- the moments --- */

static uint64_t key_of(const struct marker *event)
{
    return (uint64_t)event->room << 32 | event->number;
}

/* Rooms take turns, so events that follow each other lie side by side. */
static struct hops_event *place_of(struct hops *hops, const struct marker *event)
{
    uint64_t index = (uint64_t)(event->number - 1) * hops->rooms + event->room;
    return &hops->events[index % HOPS_EVENTS];
}

/* NULL: it was before the measurement, or its place is another's by now. */
static struct hops_event *find(struct hops *hops, const struct marker *event)
{
    struct hops_event *found = place_of(hops, event);
    return atomic_load(&found->key) == key_of(event) ? found : NULL;
}

static uint64_t between(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? to_ns - from_ns : 0;
}

static void record(struct hops *hops, enum hop hop, uint64_t from_ns, uint64_t to_ns)
{
    uint64_t ns = between(from_ns, to_ns);

    histogram_record(&hops->times[hop], ns);
    hops->sums_ns[hop] += ns;
}

static void settle(struct hops *hops, struct hops_event *event)
{
    uint64_t on_bus_ns = atomic_load(&event->on_bus_ns), first_ns = atomic_load(&event->first_ns);

    if (event->sent_ns == 0)
        return;
    if (on_bus_ns == 0 || event->added_ns == 0 || atomic_load(&event->received) < hops->members) {
        hops->incomplete++;
    } else {
        uint64_t last_ns = atomic_load(&event->last_ns);
        record(hops, HOP_XADD, event->sent_ns, event->added_ns);
        record(hops, HOP_RELAY, event->added_ns, on_bus_ns);
        record(hops, HOP_NODE, on_bus_ns, first_ns);
        record(hops, HOP_BROKER, event->added_ns, first_ns);
        record(hops, HOP_FANOUT_MEDIAN, first_ns, atomic_load(&event->median_ns));
        record(hops, HOP_FANOUT, first_ns, last_ns);
        record(hops, HOP_TOTAL, event->sent_ns, last_ns);
    }
    event->sent_ns = 0;
}

void hops_sent(struct hops *hops, const struct marker *event, uint64_t now_ns)
{
    struct hops_event *place = place_of(hops, event);

    settle(hops, place);
    place->sent_ns = now_ns;
    place->added_ns = 0;
    atomic_store(&place->on_bus_ns, 0);
    atomic_store(&place->received, 0);
    atomic_store(&place->key, key_of(event));
}

void hops_added(struct hops *hops, const struct marker *event, uint64_t now_ns)
{
    struct hops_event *found = find(hops, event);

    if (found)
        found->added_ns = now_ns;
}

void hops_on_bus(struct hops *hops, const struct marker *event, uint64_t now_ns)
{
    struct hops_event *found = find(hops, event);

    if (found)
        atomic_store(&found->on_bus_ns, now_ns);
}

void hops_received(struct hops *hops, const struct marker *event, uint64_t now_ns)
{
    struct hops_event *found = find(hops, event);

    if (!found)
        return;
    uint32_t received = atomic_fetch_add(&found->received, 1) + 1;
    if (received == 1)
        atomic_store(&found->first_ns, now_ns);
    if (received == (hops->members + 1) / 2)
        atomic_store(&found->median_ns, now_ns);
    if (received == hops->members)
        atomic_store(&found->last_ns, now_ns);
}

/* --- the times --- */

void hops_clear(struct hops *hops)
{
    for (size_t i = 0; i < HOPS_EVENTS; i++) {
        hops->events[i].sent_ns = 0;
        atomic_store(&hops->events[i].key, 0); /* numbers begin with 1 */
    }
    memset(hops->times, 0, sizeof hops->times);
    memset(hops->sums_ns, 0, sizeof hops->sums_ns);
    hops->incomplete = 0;
}

void hops_settle(struct hops *hops)
{
    for (size_t i = 0; i < HOPS_EVENTS; i++)
        settle(hops, &hops->events[i]);
}

static void report_hop(const struct hops *hops, enum hop hop, struct report *report)
{
    const struct histogram *times = &hops->times[hop];
    double total_ns = (double)hops->sums_ns[HOP_TOTAL];
    char name[48];

    snprintf(name, sizeof name, "%s_p50_us", names[hop]);
    report_real(report, name, (double)histogram_percentile(times, 0.5) / 1000);
    snprintf(name, sizeof name, "%s_p99_us", names[hop]);
    report_real(report, name, (double)histogram_percentile(times, 0.99) / 1000);
    snprintf(name, sizeof name, "%s_max_us", names[hop]);
    report_real(report, name, (double)times->max / 1000);
    snprintf(name, sizeof name, "%s_percent", names[hop]);
    report_real(report, name, total_ns > 0 ? 100 * (double)hops->sums_ns[hop] / total_ns : 0);
}

void hops_report(const struct hops *hops, struct report *report)
{
    for (enum hop hop = 0; hop < HOPS_COUNT; hop++)
        report_hop(hops, hop, report);
    report_count(report, "hop_events", hops->times[HOP_TOTAL].count);
    report_count(report, "hop_events_incomplete", hops->incomplete);
}
