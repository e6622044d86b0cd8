#include "worker_internal.h"

#define PASSED_OVER_MAX 256
#define SLOW_BYTES      (16u * 1024) /* behind a full kernel buffer: no mere moment */

static bool is_staying(const struct client *client)
{
    enum session_state state = client->session.state;
    return client->session.connection && (state == SESSION_OPENING || state == SESSION_OPEN);
}

static bool is_settled(const struct worker *worker, const struct client *client, uint32_t open_s)
{
    const struct session *session = &client->session;
    return session->state == SESSION_OPEN && session->requests == 0 && !client->catch_ups &&
           !session->is_blocked && worker->now_ms / 1000 - client->opened_s >= open_s;
}

uint32_t worker_send_settled_away(struct worker *worker, uint32_t count, enum close_reason reason,
                                  uint32_t open_s)
{
    uint32_t closed = 0, passed_over = 0;
    struct client *client = worker->clients_last, *previous;
    /* `previous` first: who is closed moves to the front. */
    for (; client && closed < count && passed_over < PASSED_OVER_MAX; client = previous) {
        previous = client->previous;
        if (is_staying(client) && is_settled(worker, client, open_s)) {
            client_close(worker, client, reason);
            closed++;
        } else {
            passed_over++;
        }
    }
    return closed;
}

uint32_t worker_send_anybody_away(struct worker *worker, uint32_t count, enum close_reason reason)
{
    uint32_t closed = 0;
    struct client *client = worker->clients_last, *previous;
    for (; client && closed < count; client = previous) {
        previous = client->previous;
        if (!is_staying(client))
            continue;
        client_close(worker, client, reason);
        closed++;
    }
    return closed;
}

/* --- for want of memory --- */

static size_t waits(const struct client *client)
{
    return client->session.queue.bytes;
}

/* Keeps WORKER_RELIEF_MAX with the most, the largest first. */
static void keep_slowest(struct client **kept, uint32_t *count, struct client *client)
{
    uint32_t at = *count;
    if (at < WORKER_RELIEF_MAX)
        (*count)++;
    else if (waits(client) > waits(kept[at - 1]))
        at--;
    else
        return;
    for (; at > 0 && waits(kept[at - 1]) < waits(client); at--)
        kept[at] = kept[at - 1];
    kept[at] = client;
}

uint32_t worker_close_slowest(struct worker *worker, uint64_t bytes)
{
    struct client *kept[WORKER_RELIEF_MAX];
    uint32_t found = 0, closed = 0;
    for (struct client *client = worker->clients; client; client = client->next) {
        if (is_staying(client) && client->session.is_blocked && waits(client) >= SLOW_BYTES)
            keep_slowest(kept, &found, client);
    }
    for (uint64_t freed = 0; closed < found && freed < bytes; closed++) {
        freed += waits(kept[closed]);
        client_close(worker, kept[closed], CLOSE_SLOW_CONSUMER);
    }
    return closed;
}
