/* What a node knows of one room's numbering, and what that says about each event that arrives.
 *
 *   [asking] -- channel_settle() --> [live] -- an event beyond the next one, or channel_check() -->
 * [repairing] ^                                                                |
 *                                      +------- channel_resume(): all up to `target` was fetched -------+
 *
 *   asking     subscribed, and asked where the room stands; events that arrive are held by the caller
 *   live       events arrive in order
 *   repairing  events are missing: the caller fetches them one by one from the stream, and holds what arrives
 *
 * What was held is offered again when the room is live. Pure: positions in, verdicts out.
 * Thread: its owner's. */
#ifndef ROOMCAST_CORE_CHANNEL_H
#define ROOMCAST_CORE_CHANNEL_H

#include <roomcast/wire/position.h>

enum channel_state { CHANNEL_ASKING, CHANNEL_LIVE, CHANNEL_REPAIRING };

enum channel_verdict {
    CHANNEL_HOLD,      /* keep the event, in order, until the room is live */
    CHANNEL_DELIVER,   /* the next one */
    CHANNEL_GAP,       /* numbers before it are missing */
    CHANNEL_DUPLICATE, /* the room is past it: drop */
};

struct channel {
    enum channel_state state;
    struct position position; /* of the last event delivered or known to be stored; not while asking */
    struct position target;   /* repairing: fetch up to here */
};

void channel_init(struct channel *channel);
/* The stream's leader says that `last` is the room's last stored position (epoch EPOCH_EMPTY for none). */
void channel_settle(struct channel *channel, const struct position *last);
/* An event arrived live. DELIVER moves the channel's position there; GAP makes it repairing: hold the event.
 */
enum channel_verdict channel_offer(struct channel *channel, const struct position *position);
/* The leader says so of a room that is live or being repaired: true when events are missing, which are to be
 * fetched then. */
bool channel_check(struct channel *channel, const struct position *last);
/* Repairing: an event was fetched. DELIVER: the next one; GAP: the next one there is, those between are gone
 * for good; both move the position. */
enum channel_verdict channel_fetched(struct channel *channel, const struct position *position);
/* Repairing: everything up to the target was fetched. */
bool channel_is_repaired(const struct channel *channel);
/* Live again. When the target was not reached, because the stream has nothing more, the room is taken to be
 * there; `target_is_held`: just before it. */
void channel_resume(struct channel *channel, bool target_is_held);

#endif
