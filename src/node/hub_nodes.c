/* The other nodes, as the control thread tells of them. Under the hub's lock. */
#include "hub_channel.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>

struct hub_node {
    struct hub_node *next;
    char instance[]; /* NUL-terminated */
};

static struct hub_node *find(struct hub *hub, struct slice instance)
{
    struct hub_node *node;
    LL_FOREACH(hub->nodes, node)
    {
        if (slice_equal(slice_of(node->instance), instance))
            return node;
    }
    return NULL;
}

static void add(struct hub *hub, struct slice instance)
{
    struct hub_node *node = malloc(sizeof *node + instance.len + 1);
    if (!node) {
        log_error("out_of_memory", LOG_TEXT("doing", "noting a node"));
        return;
    }
    memcpy(node->instance, instance.data, instance.len);
    node->instance[instance.len] = '\0';
    LL_PREPEND(hub->nodes, node);
}

static void forget(struct hub *hub, struct hub_node *node)
{
    struct hub_channel *channel;
    DL_FOREACH(hub->by_use, channel)
    {
        if (channel->chat)
            hub_presence_forget(hub, channel, slice_of(node->instance));
    }
    LL_DELETE(hub->nodes, node);
    free(node);
}

void hub_note_node(struct hub *hub, struct slice instance)
{
    pthread_mutex_lock(&hub->lock);
    if (!find(hub, instance))
        add(hub, instance);
    pthread_mutex_unlock(&hub->lock);
}

void hub_forget_node(struct hub *hub, struct slice instance, bool died)
{
    (void)died; /* who left has said so of its users, too, but not for certain to us */
    pthread_mutex_lock(&hub->lock);
    hub->now_ms = clock_monotonic_ms();
    struct hub_node *node = find(hub, instance);
    if (node)
        forget(hub, node);
    pthread_mutex_unlock(&hub->lock);
}

void hub_nodes_free(struct hub *hub)
{
    while (hub->nodes) {
        struct hub_node *node = hub->nodes;
        LL_DELETE(hub->nodes, node);
        free(node);
    }
}
