#include "lanes_call.h"

#include <stdio.h>
#include <stdlib.h>

struct lanes_call *lanes_call_new(struct answer_port *port, const struct room_key *room, void *lane)
{
    struct lanes_call *call = calloc(1, sizeof *call);

    if (!call)
        return NULL;
    answer_port_ref(port);
    call->port = port;
    call->room = *room;
    call->lane = lane;
    return call;
}

void lanes_call_free(struct lanes_call **call)
{
    if (!*call)
        return;
    answer_port_unref((*call)->port);
    free(*call);
    *call = NULL;
}

static void hand_back(struct lanes_call *call)
{
    if (!answer_port_put(call->port, &call->item.item))
        lanes_call_free(&call);
}

static void read_head(struct lanes_call *call, const struct bus_last_result *result)
{
    struct envelope_owned owned;
    struct lane_head *head = &call->head;

    *head = (struct lane_head){.kind = LANE_HEAD_FOREIGN, .stream_seq = result->stream_seq};
    enum err err = envelope_decode(result->data, &call->room, &owned);
    if (err == ERR_NO_MEMORY)
        head->kind = LANE_HEAD_UNAVAILABLE;
    if (err != ERR_OK) {
        snprintf(call->problem, sizeof call->problem, "%s", err_text(err));
        return;
    }
    head->kind = LANE_HEAD_FOUND;
    head->position = owned.envelope.position;
    snprintf(call->event_id, sizeof call->event_id, "%.*s", SLICE_FMT(owned.envelope.event_id));
    head->event_id = slice_of(call->event_id);
    head->trail = owned.envelope.trail;
    envelope_release(&owned);
}

void lanes_call_on_last(void *context, const struct bus_last_result *result)
{
    struct lanes_call *call = context;

    call->item.kind = LANES_ITEM_HEAD;
    call->head = (struct lane_head){.kind = LANE_HEAD_UNAVAILABLE};
    if (result->status == BUS_LAST_FOUND)
        read_head(call, result);
    else if (result->status == BUS_LAST_NONE)
        call->head.kind = LANE_HEAD_NONE;
    hand_back(call);
}

void lanes_call_on_store(void *context, const struct bus_store_result *result)
{
    static const enum lane_store_status statuses[] = {
        [BUS_STORED] = LANE_STORE_STORED,   [BUS_DUPLICATE] = LANE_STORE_DUPLICATE,
        [BUS_FENCED] = LANE_STORE_FENCED,   [BUS_UNKNOWN] = LANE_STORE_UNKNOWN,
        [BUS_REFUSED] = LANE_STORE_REFUSED, [BUS_UNAVAILABLE] = LANE_STORE_UNAVAILABLE,
    };
    struct lanes_call *call = context;

    call->item.kind = LANES_ITEM_STORED;
    call->status = statuses[result->status];
    call->stream_seq = result->stream_seq;
    snprintf(call->problem, sizeof call->problem, "%s", result->problem ? result->problem : "");
    hand_back(call);
}
