#include "sim.h"

#include <string.h>

struct frame *sim_frame_new(struct sim *sim, const struct sim_frame *content, unsigned bytes)
{
    char payload[sizeof *content + 1000] = {0};
    size_t len = sizeof *content + (bytes > sizeof *content ? bytes - sizeof *content : 0);

    SIM_CHECK(sim, len <= sizeof payload);
    memcpy(payload, content, sizeof *content);
    struct frame *frame = frame_new(FRAME_TEXT, (struct slice){payload, len});
    SIM_CHECK(sim, frame);
    return frame;
}

/* --- connecting --- */

static void subscribe_to(struct sim *sim, struct sim_client *client, unsigned room)
{
    struct sim_cursor *cursor = &client->cursors[room];

    if (!client->session || !client->in_room[room])
        return;
    cursor->is_subscribed = false;
    cursor->asked_ms = sim->now_ms;
    sim->counts->subscribes++;
    sim->counts->resumes += cursor->is_known;
    sim_session_subscribe(sim, client->session, room, cursor->is_known ? &cursor->position : NULL);
}

static void subscribe_again(struct sim *sim, void *object, uint64_t room)
{
    struct sim_session *session = object;

    if (session->client->session == session)
        subscribe_to(sim, session->client, (unsigned)room);
}

static void say_hello(struct sim *sim, void *object, uint64_t unused)
{
    struct sim_session *session = object;
    (void)unused;

    if (session->client->session != session)
        return;
    for (unsigned room = 0; room < ROOMS; room++) /* one batch */
        subscribe_to(sim, session->client, room);
}

static void connect(struct sim *sim, void *object, uint64_t unused)
{
    struct sim_client *client = object;
    struct sim_node *node = &sim->nodes[sim_roll(sim, NODES)];
    (void)unused;

    if (client->session)
        return;
    if (!node->is_alive) { /* refused; tries another one */
        sim_in(sim, 50 + sim_roll(sim, 200), connect, client, 0);
        return;
    }
    client->session = sim_session_open(sim, node, client);
    sim_in(sim, 1 + sim_roll(sim, 20), say_hello, client->session, 0);
}

static void notice_cut(struct sim *sim, void *object, uint64_t unused)
{
    (void)unused;
    sim_session_end(sim, object);
}

void sim_client_come(struct sim *sim, struct sim_client *client, uint64_t in_ms)
{
    sim_in(sim, in_ms, connect, client, 0);
}

void sim_client_cut(struct sim *sim, struct sim_client *client, uint64_t away_ms)
{
    struct sim_session *session = client->session;

    if (!session)
        return;
    sim_say(sim, "client %u is cut from node %u for %llu ms", client->number, session->node->number,
            (unsigned long long)away_ms);
    sim->counts->cuts++;
    session->is_cut = true;
    client->session = NULL;
    /* The node may notice at once, or much later: the client may be there twice. */
    if (session->session.state != SESSION_ENDED)
        sim_in(sim, sim_roll(sim, 2) ? 0 : sim_roll(sim, 10000), notice_cut, session, 0);
    sim_in(sim, away_ms, connect, client, 0);
}

/* --- what it hears --- */

static void on_ack(struct sim *sim, struct sim_client *client, const struct sim_frame *frame)
{
    if (frame->is_recovered) {
        sim->counts->recovered++;
        sim_check_recovery(sim, client, frame); /* the events come; the cursor goes with them */
        return;
    }
    sim->counts->unproven += frame->had_since;
    sim_check_loss(sim, client, frame);
}

void sim_client_receive(struct sim *sim, struct sim_session *session, const struct frame *frame)
{
    struct sim_client *client = session->client;
    struct sim_frame content;

    if (client->session != session)
        return; /* cut meanwhile */
    memcpy(&content, frame_payload(frame).data, sizeof content);
    sim_say(sim, "client %u room %u hears %d %s:%llu%s", client->number, content.room, content.kind,
            content.position.epoch, (unsigned long long)content.position.seq,
            content.is_recovered ? " recovered" : "");
    switch (content.kind) {
    case SIM_EVENT:
        sim->counts->deliveries++;
        sim_check_event(sim, client, &content);
        break;
    case SIM_ACK:
        on_ack(sim, client, &content);
        break;
    case SIM_POSITION_LOST:
        sim->counts->position_lost++;
        sim_check_loss(sim, client, &content);
        break;
    case SIM_TRY_LATER:
        sim->counts->timed_out++;
        sim_in(sim, 300 + sim_roll(sim, 1000), subscribe_again, session, content.room);
        break;
    }
}
