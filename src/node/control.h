/* What a node does as one of several: it says how it is (its beats, wire/heartbeat.h), hears the others and
 * keeps the list of who is there (core/membership.h), which it tells to the hub.
 *
 *   bus ---beats of all---> inbox ---> [ control ] ---own beats---> bus
 *                                          |
 *                                          +--- who is there, who has gone ---> hub
 *
 * Thread: one of its own; the calls here say who may make them. */
#ifndef ROOMCAST_NODE_CONTROL_H
#define ROOMCAST_NODE_CONTROL_H

#include <stddef.h>

#include <roomcast/base/err.h>
#include <roomcast/wire/cluster_json.h>

struct node;
struct control;

/* Subscribes, starts the thread, and says that the node is there. `node` is borrowed, has its hub and
 * workers. ERR_NO_MEMORY, ERR_IO: control_stop and control_free are due all the same, unless it is NULL. */
enum err control_start(struct node *node, struct control **ret_control) MUST_CHECK;
/* Any thread. The node's state or the bus has changed: the others are told at once. */
void control_wake(struct control *control);
/* Any thread. This node as it is now, and all others, an array to free(). ERR_NO_MEMORY. */
enum err control_see(struct control *control, struct heartbeat *ret_self, struct cluster_member **ret_members,
                     size_t *ret_count) MUST_CHECK;
/* Says the last word, ends the thread. The bus may still deliver. */
void control_stop(struct control *control);
/* After control_stop, and after the bus was freed. Accepts NULL, nulls. */
void control_free(struct control **control);

#endif
