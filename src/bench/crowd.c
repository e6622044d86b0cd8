#include "crowd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <roomcast/io/deflate.h>

#include "crowd_client.h"
#include "crowd_tls.h"
#include "proc.h"
#include "progress.h"

#define TURN_EVENTS     64 /* clients read in one turn: the schedule is looked at in between */
#define BUFFER_BYTES    (256u * 1024)
#define PORTS_OF_SOURCE 25000
#define OPEN_QUIET_NS   15000000000u /* nobody became READY for so long */

uint64_t crowd_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static enum err init_loop(struct crowd *crowd, uint32_t index)
{
    struct crowd_loop *loop = &crowd->loops[index];
    uint64_t members = crowd->count - crowd->options.publishers;
    bool has_stats = true;

    loop->crowd = crowd;
    loop->index = index;
    loop->first =
        index == 0 ? 0 : crowd->options.publishers + (uint32_t)(members * index / crowd->options.loops);
    loop->end = crowd->options.publishers + (uint32_t)(members * (index + 1) / crowd->options.loops);
    loop->next_open = loop->first;
    buffer_init(&loop->output, CROWD_OUTPUT_MAX);
    buffer_init(&loop->deflated, BUFFER_BYTES);
    loop->buffer = malloc(BUFFER_BYTES);
    loop->opened = calloc(1, sizeof *loop->opened);
    loop->upgraded = calloc(1, sizeof *loop->upgraded);
    for (int phase = 0; phase < CROWD_PHASES; phase++) {
        loop->stats[phase] = calloc(1, sizeof *loop->stats[phase]);
        has_stats = has_stats && loop->stats[phase];
    }
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!loop->buffer || !loop->opened || !loop->upgraded || !has_stats)
        return ERR_NO_MEMORY;
    return loop->epoll < 0 ? ERR_IO : ERR_OK;
}

enum err crowd_init(struct crowd *crowd, const struct crowd_options *options)
{
    memset(crowd, 0, sizeof *crowd);
    crowd->options = *options;
    crowd->count = options->publishers + options->layout->connections;
    crowd->source_addresses = crowd->count / PORTS_OF_SOURCE + 1;
    enum err err = crowd_tls_init(crowd);
    if (err)
        return err;
    crowd->clients = calloc(crowd->count, sizeof *crowd->clients);
    for (uint32_t i = 0; i < CROWD_LOOPS_MAX; i++)
        crowd->loops[i].epoll = -1;
    if (!crowd->clients)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < crowd->count; i++)
        crowd->clients[i].fd = -1;
    for (uint32_t i = 0; i < options->loops; i++) {
        err = init_loop(crowd, i);
        if (err)
            return err;
    }
    return ERR_OK;
}

static void turn(struct crowd_loop *loop, uint64_t wait_ns)
{
    struct epoll_event events[TURN_EVENTS];
    struct timespec wait = {(time_t)(wait_ns / 1000000000u), (long)(wait_ns % 1000000000u)};

    while (loop->opening < loop->crowd->options.opening && loop->next_open < loop->end)
        client_open(loop, loop->next_open++);
    int count = epoll_pwait2(loop->epoll, events, TURN_EVENTS, &wait, NULL);
    for (int i = 0; i < count; i++)
        client_handle(loop, events[i].data.u32, events[i].events, BUFFER_BYTES);
    if (loop->crowd->options.on_turn)
        loop->crowd->options.on_turn(loop, crowd_now_ns());
    atomic_store_explicit(&loop->cpu_ns, proc_thread_cpu_ns(), memory_order_relaxed);
}

static void *run(void *context)
{
    struct crowd_loop *loop = context;

    while (!atomic_load_explicit(&loop->crowd->is_stopping, memory_order_relaxed))
        turn(loop, 10000000);
    return NULL;
}

enum err crowd_start(struct crowd *crowd)
{
    for (uint32_t i = 1; i < crowd->options.loops; i++)
        if (pthread_create(&crowd->loops[i].thread, NULL, run, &crowd->loops[i]))
            return ERR_IO;
    return ERR_OK;
}

void crowd_turn(struct crowd *crowd, uint64_t wait_ns)
{
    turn(&crowd->loops[0], wait_ns);
}

enum err crowd_open_all(struct crowd *crowd, char *problem)
{
    uint32_t ready = crowd_ready(crowd);

    for (uint64_t since_ns = crowd_now_ns(); ready < crowd->count;) {
        crowd_turn(crowd, 1000000);
        uint64_t now_ns = crowd_now_ns();
        if (crowd_ready(crowd) != ready)
            since_ns = now_ns;
        ready = crowd_ready(crowd);
        progress_show("opening", crowd, now_ns);
        bool is_stuck = now_ns - since_ns > OPEN_QUIET_NS;
        if (crowd_failed(crowd) == 0 && !is_stuck)
            continue;
        snprintf(problem, 256, "%u of %u connections are ready; %s", ready, crowd->count,
                 is_stuck ? "the others get no answer" : crowd_problem(crowd));
        return ERR_UNAVAILABLE;
    }
    return ERR_OK;
}

void crowd_rest(struct crowd *crowd, double seconds)
{
    uint64_t end_ns = crowd_now_ns() + (uint64_t)(seconds * 1e9);
    while (crowd_now_ns() < end_ns)
        crowd_turn(crowd, 1000000);
}

static void fini_loop(struct crowd_loop *loop)
{
    for (uint32_t i = loop->first; i < loop->end; i++)
        client_close(loop, i);
    if (loop->epoll >= 0)
        close(loop->epoll);
    buffer_fini(&loop->output);
    buffer_fini(&loop->deflated);
    inflater_free(&loop->inflater);
    free(loop->buffer);
    free(loop->opened);
    free(loop->upgraded);
    for (int phase = 0; phase < CROWD_PHASES; phase++)
        free(loop->stats[phase]);
}

void crowd_fini(struct crowd *crowd)
{
    atomic_store(&crowd->is_stopping, true);
    for (uint32_t i = 1; i < crowd->options.loops; i++)
        if (crowd->loops[i].thread)
            pthread_join(crowd->loops[i].thread, NULL);
    for (uint32_t i = 0; crowd->clients && i < crowd->options.loops; i++)
        fini_loop(&crowd->loops[i]);
    free(crowd->clients);
    crowd_tls_fini(crowd);
    memset(crowd, 0, sizeof *crowd);
}

uint32_t crowd_ready(const struct crowd *crowd)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < crowd->options.loops; i++)
        sum += atomic_load_explicit(&crowd->loops[i].ready, memory_order_relaxed);
    return sum;
}

uint32_t crowd_failed(const struct crowd *crowd)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < crowd->options.loops; i++)
        sum += atomic_load(&crowd->loops[i].failed);
    return sum;
}

const char *crowd_problem(const struct crowd *crowd)
{
    for (uint32_t i = 0; i < crowd->options.loops; i++)
        if (atomic_load(&crowd->loops[i].failed) > 0)
            return crowd->loops[i].problem;
    return "";
}

uint64_t crowd_deliveries(const struct crowd *crowd)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < crowd->options.loops; i++)
        sum += atomic_load_explicit(&crowd->loops[i].deliveries, memory_order_acquire);
    return sum;
}

uint64_t crowd_busiest_ns(struct crowd *crowd, uint64_t before[CROWD_LOOPS_MAX])
{
    uint64_t most = 0;
    for (uint32_t i = 0; i < crowd->options.loops; i++) {
        uint64_t now = atomic_load_explicit(&crowd->loops[i].cpu_ns, memory_order_relaxed);
        if (now - before[i] > most)
            most = now - before[i];
        before[i] = now;
    }
    return most;
}

void crowd_merge(const struct crowd *crowd, enum crowd_phase phase, struct crowd_stats *into)
{
    memset(into, 0, sizeof *into);
    for (uint32_t i = 0; i < crowd->options.loops; i++) {
        const struct crowd_stats *stats = crowd->loops[i].stats[phase];
        histogram_merge(&into->latency, &stats->latency);
        into->late += stats->late;
        into->duplicates += stats->duplicates;
        into->strays += stats->strays;
        into->bytes += stats->bytes;
        into->deflated_frames += stats->deflated_frames;
        into->message_bytes += stats->message_bytes;
        into->publisher_deliveries += stats->publisher_deliveries;
    }
}
