#include "sim.h"

static void break_something(struct sim *sim, void *object, uint64_t unused);

static struct sim_node *any_node(struct sim *sim)
{
    return &sim->nodes[sim_roll(sim, NODES)];
}

static void start_node(struct sim *sim, void *object, uint64_t unused)
{
    (void)unused;
    sim_node_start(sim, object);
}

static void kill_node(struct sim *sim)
{
    struct sim_node *node = any_node(sim);

    if (!node->is_alive)
        return;
    sim->counts->node_kills++;
    sim_node_kill(sim, node);
    sim_in(sim, 500 + sim_roll(sim, 4000), start_node, node, 0);
}

static void link_node(struct sim *sim, void *object, uint64_t life)
{
    struct sim_node *node = object;
    if (node->life == life && !node->is_linked)
        sim_node_link(sim, node);
}

static void unlink_node(struct sim *sim)
{
    struct sim_node *node = any_node(sim);

    if (!node->is_alive || !node->is_linked)
        return;
    sim_node_unlink(sim, node);
    sim_in(sim, 50 + sim_roll(sim, 4000), link_node, node, node->life);
}

/* Messages were dropped because they were not taken fast enough. */
static void drop_messages(struct sim *sim)
{
    struct sim_node *node = any_node(sim);

    if (!node->is_alive || !node->is_linked)
        return;
    node->link++;
    sim_node_suspect(sim, node);
}

static void cut_client(struct sim *sim)
{
    struct sim_client *client = &sim->clients[sim_roll(sim, CLIENTS)];
    sim_client_cut(sim, client, sim_roll(sim, 2) ? sim_roll(sim, 500) : sim_roll(sim, 8000));
}

static void stall_client(struct sim *sim)
{
    struct sim_client *client = &sim->clients[sim_roll(sim, CLIENTS)];

    if (!client->session)
        return;
    sim->counts->stalls++;
    sim_session_stall(sim, client->session, sim_roll(sim, 5000));
}

static void lag(struct sim *sim)
{
    for (unsigned copy = 1; copy < COPIES; copy++)
        sim->stream.lag_ms[copy] = sim_roll(sim, 3) ? sim_roll(sim, 50) : sim_roll(sim, 3000);
}

static void go_stale(struct sim *sim)
{
    struct sim_stream *stream = &sim->stream;
    uint64_t ms = sim_roll(sim, sim->plan.is_stale ? STALE_MAX_MS : 400);

    sim_say(sim, "stream  a deposed leader answers for %llu ms", (unsigned long long)ms);
    stream->stale_from_ms = sim->now_ms;
    stream->stale_to_ms = sim->now_ms + ms;
}

static void lie(struct sim *sim)
{
    struct sim_stream *stream = &sim->stream;

    switch (sim_roll(sim, 8)) {
    case 0:
        if (sim->plan.rolls_back)
            sim_stream_roll_back(sim, 1 + sim_roll(sim, 8));
        break;
    case 1:
        if (sim->plan.is_recreated && sim->counts->recreations == sim->recreations_before)
            sim_stream_recreate(sim);
        break;
    case 2:
    case 3:
        if (sim->plan.diverges) {
            bool is_healed = stream->diverged_from != 0 && sim_roll(sim, 2);
            stream->diverged_from = is_healed ? 0 : stream->last_seq > 20 ? stream->last_seq - 20 : 1;
            sim->counts->divergences += !is_healed;
        }
        break;
    case 4:
    case 5:
        if (sim->plan.is_stale)
            go_stale(sim);
        break;
    }
}

static void break_something(struct sim *sim, void *object, uint64_t unused)
{
    (void)object;
    (void)unused;
    if (sim->is_over)
        return;
    switch (sim_roll(sim, 20)) {
    case 0:
        kill_node(sim);
        break;
    case 1:
    case 2:
        unlink_node(sim);
        break;
    case 3:
        drop_messages(sim);
        break;
    case 4:
        sim_relay_kill(sim);
        break;
    case 5:
        if (sim->stream.has_leader)
            sim_stream_crash(sim, 200 + sim_roll(sim, 4000));
        break;
    case 6:
        lag(sim);
        break;
    case 7:
        go_stale(sim);
        break;
    case 8:
    case 9:
        lie(sim);
        break;
    case 10:
    case 11:
    case 12:
        stall_client(sim);
        break;
    default:
        cut_client(sim);
        break;
    }
    sim_in(sim, sim_roll(sim, 2 + 4000 / (1 + sim->plan.trouble)), break_something, NULL, 0);
}

void sim_faults_begin(struct sim *sim)
{
    sim->recreations_before = sim->counts->recreations;
    sim_in(sim, sim_roll(sim, 2000), break_something, NULL, 0);
}

void sim_faults_end(struct sim *sim)
{
    struct sim_stream *stream = &sim->stream;

    sim_say(sim, "the faults end");
    sim->is_over = true;
    stream->lag_ms[1] = stream->lag_ms[2] = 0;
    stream->diverged_from = stream->stale_to_ms = 0;
    for (unsigned i = 0; i < NODES; i++)
        if (sim->nodes[i].is_alive && !sim->nodes[i].is_linked)
            sim_node_link(sim, &sim->nodes[i]);
    for (unsigned i = 0; i < CLIENTS; i++)
        if (sim->clients[i].session)
            sim->clients[i].session->stalled_ms = sim->now_ms;
}
