#include "revoker_call.h"

#include <stdio.h>
#include <stdlib.h>

struct revoker_call *revoker_call_new(struct answer_port *port, unsigned shard, uint64_t generation)
{
    struct revoker_call *call = calloc(1, sizeof *call);

    if (!call)
        return NULL;
    answer_port_ref(port);
    call->port = port;
    call->shard = shard;
    call->generation = generation;
    return call;
}

void revoker_call_free(struct revoker_call **call)
{
    if (!*call)
        return;
    answer_port_unref((*call)->port);
    free((*call)->data);
    free(*call);
    *call = NULL;
}

static void hand_back(struct revoker_call *call)
{
    if (!answer_port_put(call->port, &call->item.item))
        revoker_call_free(&call);
}

void revoker_call_on_last(void *context, const struct bus_last_result *result)
{
    struct revoker_call *call = context;

    call->item.kind = LANES_ITEM_HEAD;
    call->last = result->status;
    if (result->status == BUS_LAST_FOUND) {
        call->stream_seq = result->stream_seq;
        call->len = result->data.len;
        call->data = malloc(call->len + 1);
        if (call->data && call->len)
            memcpy(call->data, result->data.data, call->len);
    }
    hand_back(call);
}

void revoker_call_on_store(void *context, const struct bus_store_result *result)
{
    struct revoker_call *call = context;

    call->item.kind = LANES_ITEM_STORED;
    call->stored = result->status;
    call->stream_seq = result->stream_seq;
    snprintf(call->problem, sizeof call->problem, "%s", result->problem ? result->problem : "");
    hand_back(call);
}
