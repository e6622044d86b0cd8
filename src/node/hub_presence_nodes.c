/* Which other nodes there are. Who watches their heartbeats says who is here and who is gone; a node that is
 * gone is not heard any more, until its heart beats again. */
#include <stdlib.h>
#include <utlist.h>

#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>

#include "hub_channel.h"

#define NODES_MAX             1024u
#define FORGET_CHATS_PER_TICK 2000u
#define NODES_PAUSE_MS        1000u
#define STRANGER_BEATS        3u /* who says something and has no beat itself for so long has died before */
#define GONE_KEPT_MS          600000u /* nothing that it has said is on its way any more */

static struct hub_node *find(struct hub *hub, struct slice name)
{
    struct hub_node *node;
    HASH_FIND(hh, hub->presence.nodes, name.data, (unsigned)name.len, node);
    return node;
}

static void set_state(struct hub *hub, struct hub_node *node, enum hub_node_state state)
{
    node->state = state;
    node->since_ms = hub->now_ms;
    node->since_beats = hub->presence.own_beats;
}

/* NULL: no name, one too many, or no memory. */
static struct hub_node *find_or_add(struct hub *hub, struct slice name)
{
    struct hub_node *node = find(hub, name);
    if (node)
        return node;
    if (name.len == 0 || name.len > PRESENCE_NODE_MAX || HASH_COUNT(hub->presence.nodes) >= NODES_MAX)
        return NULL;
    node = calloc(1, sizeof *node);
    if (!node)
        return NULL;
    memcpy(node->name, name.data, name.len);
    node->number = ++hub->presence.last_node;
    set_state(hub, node, HUB_NODE_STRANGER);
    HASH_ADD(hh, hub->presence.nodes, name, (unsigned)name.len, node);
    if (node->hh.tbl)
        return node;
    free(node);
    return NULL;
}

static void remove_node(struct hub *hub, struct hub_node *node)
{
    HASH_DELETE(hh, hub->presence.nodes, node);
    free(node);
}

struct hub_node *hub_node_heard(struct hub *hub, struct slice name)
{
    struct hub_node *node = find_or_add(hub, name);
    return node && node->state != HUB_NODE_GONE ? node : NULL;
}

/* Its users are taken out of the chats at the next ticks. */
static void begin_forgetting(struct hub *hub, struct hub_node *node, bool died)
{
    set_state(hub, node, HUB_NODE_GONE);
    node->died = died;
    node->forget_left = PRESENCE_BUCKETS;
}

/* The other side may have taken us for dead, too. */
static void welcome_back(struct hub *hub, struct hub_node *node)
{
    node->forget_left = 0;
    hub_presence_heal(hub);
}

void hub_note_node(struct hub *hub, struct slice instance)
{
    bool is_own = slice_equal(instance, slice_of(hub->instance));
    pthread_mutex_lock(&hub->lock);
    struct hub_node *node = is_own ? NULL : find_or_add(hub, instance);
    hub->presence.own_beats += is_own;
    if (node && node->state == HUB_NODE_GONE)
        welcome_back(hub, node);
    if (node && node->state != HUB_NODE_HERE)
        set_state(hub, node, HUB_NODE_HERE);
    pthread_mutex_unlock(&hub->lock);
}

void hub_forget_node(struct hub *hub, struct slice instance, bool died)
{
    pthread_mutex_lock(&hub->lock);
    struct hub_node *node =
        slice_equal(instance, slice_of(hub->instance)) ? NULL : find_or_add(hub, instance);
    if (node && node->state != HUB_NODE_GONE)
        begin_forgetting(hub, node, died);
    pthread_mutex_unlock(&hub->lock);
}

static unsigned forget_in_bucket(struct hub *hub, const struct hub_node *node)
{
    struct hub_chat *chat;
    unsigned chats = 0;
    DL_FOREACH(hub->presence.buckets[node->forget_bucket], chat)
    {
        struct hub_teller teller = {.hub = hub, .channel = chat->channel};
        presence_forget(chat->presence, slice_of(node->name), node->died, hub->now_ms, hub_presence_tell,
                        &teller);
        hub_presence_changed(hub, chat->channel);
        chats++;
    }
    return chats;
}

static void forget_some(struct hub *hub, struct hub_node *node)
{
    unsigned chats = 0;
    while (node->forget_left > 0 && chats < FORGET_CHATS_PER_TICK) {
        chats += forget_in_bucket(hub, node);
        node->forget_bucket = (node->forget_bucket + 1) % PRESENCE_BUCKETS;
        node->forget_left--;
    }
}

/* It had the time for three beats, and as many of our own came the way that its beats would have come. */
static bool has_no_beats(const struct hub *hub, const struct hub_node *node)
{
    return hub->now_ms - node->since_ms > STRANGER_BEATS * (uint64_t)hub->config->cluster_heartbeat_ms &&
           hub->presence.own_beats - node->since_beats > STRANGER_BEATS;
}

static void look_at(struct hub *hub, struct hub_node *node)
{
    if (node->state == HUB_NODE_GONE && node->forget_left == 0 &&
        hub->now_ms - node->since_ms > GONE_KEPT_MS) {
        remove_node(hub, node);
    } else if (node->state == HUB_NODE_STRANGER && has_no_beats(hub, node) && !hub_presence_is_held(hub)) {
        log_info("presence_stranger_forgotten", LOG_TEXT("instance", node->name));
        begin_forgetting(hub, node, true);
    }
}

void hub_presence_nodes_tick(struct hub *hub)
{
    struct hub_node *node, *next, *forgotten = NULL;
    bool is_due = hub->now_ms >= hub->presence.nodes_due_ms;
    if (is_due)
        hub->presence.nodes_due_ms = hub->now_ms + NODES_PAUSE_MS;
    HASH_ITER(hh, hub->presence.nodes, node, next)
    {
        if (node->forget_left > 0 && !forgotten)
            forgotten = node;
        else if (is_due)
            look_at(hub, node);
    }
    if (forgotten)
        forget_some(hub, forgotten);
}

void hub_presence_nodes_free(struct hub *hub)
{
    struct hub_node *node, *next;
    HASH_ITER(hh, hub->presence.nodes, node, next)
    remove_node(hub, node);
}
