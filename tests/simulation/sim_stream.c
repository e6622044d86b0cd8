#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SEQ       100000u /* a stream that has been there for long */
#define DEDUP_WINDOW_MS 120000u

static void list_add(struct sim *sim, struct sim_list *list, struct sim_record *record)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 64;
        list->at = realloc(list->at, list->capacity * sizeof(struct sim_record *));
        SIM_CHECK(sim, list->at);
    }
    list->at[list->count++] = record;
}

void sim_stream_init(struct sim *sim)
{
    struct sim_stream *stream = &sim->stream;

    stream->last_seq = FIRST_SEQ;
    stream->created_s = 1700000000;
    stream->has_leader = true;
    stream->term = 1;
    stream->lag_ms[1] = sim_roll(sim, 20);
    stream->lag_ms[2] = sim_roll(sim, 50);
}

void sim_stream_fini(struct sim *sim)
{
    struct sim_stream *stream = &sim->stream;

    for (unsigned room = 0; room < ROOMS; room++) {
        for (unsigned i = 0; i < stream->truth[room].count; i++)
            frame_unref(&stream->truth[room].at[i]->event.frame);
        free(stream->truth[room].at);
        free(stream->by_room[room].at);
    }
    free(stream->log.at);
}

/* --- what is there --- */

static bool is_there(struct sim *sim, struct sim_record *record)
{
    if (!record->is_deleted && sim->plan.max_age_ms != 0 &&
        record->stored_ms + sim->plan.max_age_ms <= sim->now_ms) {
        record->is_deleted = true;
        sim->counts->expired++;
    }
    return !record->is_deleted && !record->is_vanished;
}

static struct sim_record *last_of(struct sim *sim, unsigned room, uint64_t until_ms)
{
    const struct sim_list *list = &sim->stream.by_room[room];

    for (unsigned i = list->count; i > 0; i--) {
        if (list->at[i - 1]->stored_ms <= until_ms)
            return is_there(sim, list->at[i - 1]) ? list->at[i - 1] : NULL;
    }
    return NULL;
}

/* What the one who takes himself for the leader knows: everything until then. */
static uint64_t leader_view(struct sim *sim)
{
    struct sim_stream *stream = &sim->stream;

    if (sim->now_ms >= stream->stale_to_ms || sim->is_over)
        return sim->now_ms;
    sim->counts->stale_answers++;
    return stream->stale_from_ms;
}

enum sim_found sim_stream_last(struct sim *sim, unsigned room, struct sim_record **ret_record)
{
    if (!sim->stream.has_leader)
        return SIM_UNAVAILABLE;
    *ret_record = last_of(sim, room, leader_view(sim));
    return *ret_record ? SIM_FOUND : SIM_NONE;
}

enum sim_found sim_stream_next(struct sim *sim, unsigned room, uint64_t after, struct sim_record **ret_record)
{
    const struct sim_list *list = &sim->stream.by_room[room];

    if (!sim->stream.has_leader)
        return SIM_UNAVAILABLE;
    uint64_t until_ms = leader_view(sim);
    for (unsigned i = 0; i < list->count; i++) {
        struct sim_record *record = list->at[i];
        if (record->event.stream_seq > after && record->stored_ms <= until_ms && is_there(sim, record)) {
            *ret_record = record;
            return SIM_FOUND;
        }
    }
    return SIM_NONE;
}

static int find(const struct sim_list *log, uint64_t stream_seq)
{
    unsigned low = 0, high = log->count;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (log->at[middle]->event.stream_seq < stream_seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low < log->count && log->at[low]->event.stream_seq == stream_seq ? (int)low : -1;
}

enum sim_found sim_stream_get(struct sim *sim, uint64_t stream_seq, bool from_leader,
                              struct sim_record **ret_record)
{
    struct sim_stream *stream = &sim->stream;
    unsigned copy = from_leader ? 0 : sim_roll(sim, COPIES);

    if (copy == 0 && !stream->has_leader)
        return SIM_UNAVAILABLE;
    uint64_t until_ms = copy == 0 ? leader_view(sim) : sim->now_ms - stream->lag_ms[copy];
    int index = find(&stream->log, stream_seq);
    if (copy == 2 && stream->diverged_from != 0 && stream_seq >= stream->diverged_from && !sim->is_over) {
        sim->counts->other_messages_read++;
        index = index > 0 ? index - 1 : index; /* the same messages one place later, as it was seen */
    }
    if (index < 0)
        return SIM_NONE;
    struct sim_record *record = stream->log.at[index];
    if (record->stored_ms > until_ms || !is_there(sim, record))
        return SIM_NONE;
    *ret_record = record;
    return SIM_FOUND;
}

/* Other rooms' messages, older than all of ours, are there as long as they are not too old: the limit of a
 * room takes nothing away from them. */
bool sim_stream_extent(struct sim *sim, struct feed_extent *ret_extent)
{
    const struct sim_stream *stream = &sim->stream;
    uint64_t age_ms = sim->plan.max_age_ms, first_seq = stream->last_seq + 1, last_seq = stream->last_seq;

    if (!stream->has_leader)
        return false;
    uint64_t until_ms = leader_view(sim);
    for (unsigned i = stream->log.count; i > 0 && stream->log.at[i - 1]->stored_ms > until_ms; i--)
        last_seq = stream->log.at[i - 1]->event.stream_seq - 1;
    for (unsigned i = stream->log.count; i > 0 && stream->log.at[i - 1]->stored_ms + age_ms > sim->now_ms;
         i--)
        first_seq = stream->log.at[i - 1]->event.stream_seq;
    *ret_extent = (struct feed_extent){
        .is_known = true,
        .has_quorum = until_ms == sim->now_ms,
        .first_seq = age_ms == 0 || sim->now_ms < age_ms ? 1 : first_seq,
        .last_seq = last_seq,
        .created_s = stream->created_s,
    };
    return true;
}

/* --- storing --- */

static struct frame *event_frame(struct sim *sim, const struct sim_store *store)
{
    struct sim_frame content = {
        .kind = SIM_EVENT, .room = store->room, .number = store->number, .position = store->position};
    return sim_frame_new(sim, &content, sim->plan.frame_bytes);
}

static void enforce_limit(struct sim *sim, unsigned room)
{
    const struct sim_list *list = &sim->stream.by_room[room];
    unsigned there = 0;

    for (unsigned i = list->count; i > 0; i--) {
        if (!is_there(sim, list->at[i - 1]))
            return;
        if (++there > sim->plan.max_per_room) {
            list->at[i - 1]->is_deleted = true;
            sim->counts->expired++;
        }
    }
}

static void republish(struct sim *sim, void *object, uint64_t term)
{
    struct sim_record *record = object;

    /* The tail of a leader that died is stored, and was never sent. */
    if (term != sim->stream.term) {
        sim->counts->republish_swallowed++;
        return;
    }
    for (unsigned i = 0; i < NODES; i++)
        sim_node_republish(sim, &sim->nodes[i], record, term);
}

static void put(struct sim *sim, const struct sim_store *store, uint64_t republish_term)
{
    struct sim_stream *stream = &sim->stream;
    struct sim_record *record = sim_alloc(sim, sizeof *record);

    stream->last_seq += 1 + sim_roll(sim, 3); /* other rooms share the stream */
    record->room = store->room;
    record->number = store->number;
    record->stored_ms = sim->now_ms;
    record->created_s = stream->created_s;
    record->event = (struct feed_event){.position = store->position,
                                        .stream_seq = stream->last_seq,
                                        .id_hash = store->number + 1,
                                        .trail = store->trail,
                                        .frame = event_frame(sim, store)};
    record->is_unreadable = sim->plan.is_unreadable && sim_chance(sim, 10);
    sim->counts->unreadable += record->is_unreadable;
    const struct sim_list *truth = &stream->truth[store->room];
    if (truth->count > 0 && strcmp(truth->at[truth->count - 1]->event.position.epoch, store->position.epoch))
        sim->counts->epoch_changes++;
    else if (truth->count > 0 && truth->at[truth->count - 1]->event.position.seq >= store->position.seq)
        sim->counts->numbers_given_twice++;
    list_add(sim, &stream->log, record);
    list_add(sim, &stream->by_room[store->room], record);
    list_add(sim, &stream->truth[store->room], record);
    stream->of_event[store->number] = record;
    sim->counts->stored++;
    sim_say(sim, "stream  room %u event %u stored as %s:%llu at %llu behind %llu%s", store->room,
            store->number, store->position.epoch, (unsigned long long)store->position.seq,
            (unsigned long long)stream->last_seq,
            (unsigned long long)(store->trail.count ? store->trail.seqs[0] : 0),
            record->is_unreadable ? ", unreadable" : "");
    enforce_limit(sim, store->room);
    sim_in(sim, sim_roll(sim, 6), republish, record, republish_term);
}

static bool is_duplicate(const struct sim *sim, const struct sim_store *store)
{
    const struct sim_record *record = sim->stream.of_event[store->number];
    return record && record->stored_ms + DEDUP_WINDOW_MS > sim->now_ms;
}

/* A proposal has gone through the replicas. The fence was checked before it was made, and not again. */
static void apply(struct sim *sim, void *object, uint64_t term)
{
    const struct sim_store *store = object;
    struct sim_stream *stream = &sim->stream;

    if (term != stream->term) {
        /* Its leader is gone. The next one may have it, and says so to nobody. */
        if (term > stream->dead_term && sim_roll(sim, 2) && !is_duplicate(sim, store))
            put(sim, store, term);
        return;
    }
    if (is_duplicate(sim, store)) {
        sim_relay_on_store(sim, store, LANE_STORE_DUPLICATE,
                           stream->of_event[store->number]->event.stream_seq);
        return;
    }
    put(sim, store, term);
    sim_relay_on_store(sim, store, LANE_STORE_STORED, stream->last_seq);
}

void sim_stream_store(struct sim *sim, const struct sim_store *request)
{
    struct sim_stream *stream = &sim->stream;
    struct sim_store *store = sim_alloc(sim, sizeof *store);
    *store = *request;

    if (!stream->has_leader) {
        if (sim_roll(sim, 2))
            sim_relay_on_store(sim, store, LANE_STORE_UNAVAILABLE, 0);
        return;
    }
    const struct sim_record *last = last_of(sim, store->room, sim->now_ms);
    if (is_duplicate(sim, store)) {
        sim->counts->stores_repeated++;
        sim_relay_on_store(sim, store, LANE_STORE_DUPLICATE,
                           stream->of_event[store->number]->event.stream_seq);
        return;
    }
    if (store->expect_last != (last ? last->event.stream_seq : 0)) {
        sim->counts->stores_fenced++;
        sim_relay_on_store(sim, store, LANE_STORE_FENCED, 0);
        return;
    }
    uint64_t at_ms = sim->now_ms + 1 + sim_roll(sim, 10);
    if (at_ms < stream->apply_ms)
        at_ms = stream->apply_ms;
    stream->apply_ms = at_ms;
    sim_in(sim, at_ms - sim->now_ms, apply, store, stream->term);
}

/* --- faults --- */

static void elected(struct sim *sim, void *object, uint64_t term)
{
    (void)object;
    if (sim->stream.term != term)
        return;
    sim->stream.has_leader = true;
    sim->counts->elections++;
    sim_say(sim, "stream  a leader is elected");
    for (unsigned i = 0; i < NODES; i++)
        if (sim->nodes[i].is_alive && !sim_chance(sim, 200)) /* the news is a message like others */
            sim_node_suspect(sim, &sim->nodes[i]);
}

void sim_stream_crash(struct sim *sim, uint64_t without_leader_ms)
{
    sim->stream.has_leader = false;
    sim->stream.term++;
    sim->stream.stale_to_ms = 0;
    sim_say(sim, "stream  the leader is gone");
    sim_in(sim, without_leader_ms, elected, NULL, sim->stream.term);
}

static void forget_last(struct sim *sim)
{
    struct sim_stream *stream = &sim->stream;
    struct sim_record *record = stream->log.at[--stream->log.count];

    record->is_vanished = true;
    stream->by_room[record->room].count--;
    if (stream->of_event[record->number] == record)
        stream->of_event[record->number] = NULL;
    sim_say(sim, "stream  %s:%llu of room %u vanishes", record->event.position.epoch,
            (unsigned long long)record->event.position.seq, record->room);
}

/* What was deleted for the sake of those that have vanished is there again. */
static void restore(struct sim *sim)
{
    for (unsigned room = 0; room < ROOMS; room++) {
        const struct sim_list *list = &sim->stream.by_room[room];
        for (unsigned i = 0; i < list->count && i < sim->plan.max_per_room; i++)
            list->at[list->count - 1 - i]->is_deleted = false;
    }
}

void sim_stream_roll_back(struct sim *sim, unsigned count)
{
    struct sim_stream *stream = &sim->stream;

    for (; count > 0 && stream->log.count > 0; count--)
        forget_last(sim);
    restore(sim);
    stream->dead_term = stream->term;
    stream->last_seq =
        stream->log.count ? stream->log.at[stream->log.count - 1]->event.stream_seq : FIRST_SEQ;
    /* Other rooms go on at once. If all were as before, down to the place of an event that is given a known
     * number, nobody who has forgotten that event could tell. */
    stream->last_seq += sim->plan.forgets ? 40 : 0;
    sim->counts->rollbacks++;
    sim_stream_crash(sim, 100 + sim_roll(sim, 1000));
}

void sim_stream_recreate(struct sim *sim)
{
    struct sim_stream *stream = &sim->stream;

    while (stream->log.count > 0)
        forget_last(sim);
    stream->dead_term = stream->term;
    stream->last_seq = 0;
    stream->created_s++;
    stream->diverged_from = 0;
    sim->counts->recreations++;
    sim_stream_crash(sim, 100 + sim_roll(sim, 1000));
}
