#include "churn.h"

#include <stdlib.h>
#include <string.h>

#include <roomcast/base/random.h>

#include "crowd_client.h"
#include "progress.h"

#define LOOK_NS       5000000u     /* how often a loop looks at all its clients */
#define STUCK_NS      20000000000u /* a connection that takes longer is given up and tried anew */
#define BACKOFF_NS    500000000u   /* full jitter, doubled with every try */
#define BACKOFF_TRIES 5            /* and then no more: up to 16 s */
#define HEAD_MAX      512          /* bytes of a message that its position is looked for in */

static struct churn *churn_of(struct crowd_loop *loop)
{
    return ((struct fanout *)loop->crowd->options.context)->context;
}

/* --- positions --- */

static const char *after(struct slice text, const char *what)
{
    const char *found = memmem(text.data, text.len, what, strlen(what));
    return found ? found + strlen(what) : NULL;
}

static void note_place(struct fanout *fanout, uint32_t connection, struct slice head)
{
    const char *chat = after(head, "\"chat_id\":\""), *epoch = after(head, "\"epoch\":\""),
               *seq = after(head, "\"seq\":");
    const char *end = head.data + head.len;

    if (!chat || !epoch || !seq || end - chat < UUID_TEXT_LEN)
        return;
    uint32_t membership = layout_membership(&fanout->layout, connection, layout_room_of(chat));
    size_t len = strcspn(epoch, "\"");
    if (membership == LAYOUT_NONE || len >= sizeof fanout->places->epoch)
        return;
    struct place *place = &fanout->places[membership];
    memcpy(place->epoch, epoch, len);
    place->epoch[len] = '\0';
    place->seq = strtoull(seq, NULL, 10);
}

static void observe(struct fanout *fanout, struct crowd_loop *loop, uint32_t client, struct slice text)
{
    struct churn *churn = fanout->context;
    char copy[HEAD_MAX + 1];
    struct slice head = {copy, text.len < HEAD_MAX ? text.len : HEAD_MAX};
    uint32_t connection = crowd_connection(loop->crowd, client);

    memcpy(copy, text.data, head.len);
    copy[head.len] = '\0'; /* so that numbers and names end */
    if (after(head, "\"recovered\":true"))
        atomic_fetch_add(&churn->recovered, 1);
    if (after(head, "\"recovered\":false"))
        atomic_fetch_add(&churn->not_recovered, 1);
    const char *retry = after(head, "\"retry_after_ms\":");
    if (retry) /* the server says goodbye: it knows when to come back */
        churn->clients[connection].due_ns = crowd_now_ns() + strtoull(retry, NULL, 10) * 1000000;
    else
        note_place(fanout, connection, head);
}

/* --- cutting and coming back --- */

static uint64_t around(uint64_t ns)
{
    return ns / 2 + (uint64_t)((double)random_below(1000000) / 1e6 * (double)ns);
}

static void note_drop(struct churn *churn, struct churn_client *own, uint64_t now_ns)
{
    atomic_fetch_add(&churn->drops, 1);
    own->dropped_ns = now_ns;
    own->tries = 0;
}

static void look_at_ready(struct churn *churn, struct crowd_loop *loop, uint32_t client, uint64_t now_ns)
{
    struct churn_client *own = &churn->clients[crowd_connection(loop->crowd, client)];
    uint32_t wave = atomic_load(&churn->wave);
    bool is_cut =
        wave != own->wave || (atomic_load(&churn->is_cutting) && own->due_ns != 0 && own->due_ns <= now_ns);

    if (own->dropped_ns != 0) {
        histogram_record(&churn->back[loop->index], now_ns - own->dropped_ns);
        own->dropped_ns = 0;
        own->due_ns = 0;
    }
    if (own->due_ns == 0 && churn->period_ns > 0)
        own->due_ns = now_ns + around(churn->period_ns);
    if (!is_cut)
        return;
    own->wave = wave;
    client_close(loop, client);
    note_drop(churn, own, now_ns);
    own->due_ns = now_ns + churn->offline_ns;
}

static void look_at_closed(struct churn *churn, struct crowd_loop *loop, uint32_t client, uint64_t now_ns)
{
    struct churn_client *own = &churn->clients[crowd_connection(loop->crowd, client)];

    if (own->dropped_ns == 0) {
        note_drop(churn, own, now_ns);
        if (own->due_ns < now_ns) /* the server did not say when */
            own->due_ns = now_ns + around(BACKOFF_NS);
    }
    if (own->due_ns > now_ns || loop->opening >= loop->crowd->options.opening)
        return;
    uint32_t doubled = own->tries < BACKOFF_TRIES ? own->tries : BACKOFF_TRIES;
    own->tries++;
    own->due_ns = now_ns + around((uint64_t)BACKOFF_NS << doubled);
    client_open(loop, client);
}

static void on_turn(struct crowd_loop *loop, uint64_t now_ns)
{
    struct churn *churn = churn_of(loop);
    struct crowd *crowd = loop->crowd;

    if (now_ns - churn->looked_ns[loop->index] < LOOK_NS)
        return;
    churn->looked_ns[loop->index] = now_ns;
    for (uint32_t i = loop->first; i < loop->next_open; i++) {
        struct crowd_client *client = &crowd->clients[i];
        if (i < crowd->options.publishers)
            continue;
        if (client->state == CLIENT_READY)
            look_at_ready(churn, loop, i, now_ns);
        else if (client->state == CLIENT_CLOSED)
            look_at_closed(churn, loop, i, now_ns);
        else if (now_ns - client->opened_ns > STUCK_NS)
            client_close(loop, i);
    }
}

/* --- the scenario's side --- */

enum err churn_open(struct churn *churn, const struct bench_options *options)
{
    churn->clients = calloc(options->connections, sizeof *churn->clients);
    churn->fanout.places = calloc(options->rooms * options->members, sizeof *churn->fanout.places);
    churn->fanout.observe = observe;
    churn->fanout.on_turn = on_turn;
    churn->fanout.context = churn;
    if (!churn->clients || !churn->fanout.places)
        return ERR_NO_MEMORY;
    return fanout_open(&churn->fanout, options, true);
}

void churn_close(struct churn *churn)
{
    fanout_close(&churn->fanout);
    free(churn->clients);
}

uint32_t churn_wait_back(struct churn *churn)
{
    struct crowd *crowd = &churn->fanout.crowd;
    uint32_t ready = crowd_ready(crowd);
    uint64_t since_ns = crowd_now_ns(),
             patience = STUCK_NS + (uint64_t)(churn->fanout.options->drain_s * 1e9);

    while (ready < crowd->count && crowd_now_ns() - since_ns < patience) {
        crowd_turn(crowd, 1000000);
        progress_show("coming back", crowd, crowd_now_ns());
        if (crowd_ready(crowd) != ready)
            since_ns = crowd_now_ns();
        ready = crowd_ready(crowd);
    }
    fanout_drain(&churn->fanout);
    crowd_rest(crowd, (double)(2 * LOOK_NS) / 1e9); /* so that the last are seen to be back */
    return crowd->count - crowd_ready(crowd);
}

void churn_report(const struct churn *churn, uint32_t never_back, struct report *report)
{
    static struct histogram back;
    const struct fanout *fanout = &churn->fanout;

    histogram_clear(&back);
    for (uint32_t i = 0; i < fanout->crowd.options.loops; i++)
        histogram_merge(&back, &churn->back[i]);
    report_real(report, "delivered_percent",
                fanout->expected ? 100.0 * (double)crowd_deliveries(&fanout->crowd) / (double)fanout->expected
                                 : 0);
    report_count(report, "drops", atomic_load(&churn->drops));
    report_count(report, "rooms_recovered", atomic_load(&churn->recovered));
    report_count(report, "rooms_not_recovered", atomic_load(&churn->not_recovered));
    report_count(report, "never_back", never_back);
    report_latency(report, "back", &back);
}
