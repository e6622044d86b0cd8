/* What a node knows of one room's numbering, and what that says about each event that arrives.
 *
 *            channel_offer: HOLD                       channel_offer: DELIVER, GAP, DUPLICATE
 *   [asking] ------------------ channel_settle() ----> [live]
 *
 * A room is subscribed first and asked for its last position second; events that arrive in between are held
 * by the caller and offered again once the answer is here. Pure: positions in, verdicts out. Thread: its
 * owner's. */
#ifndef ROOMCAST_CORE_CHANNEL_H
#define ROOMCAST_CORE_CHANNEL_H

#include <roomcast/wire/position.h>

enum channel_state { CHANNEL_ASKING, CHANNEL_LIVE };

enum channel_verdict {
    CHANNEL_HOLD,      /* keep the event, in order, until channel_settle */
    CHANNEL_DELIVER,   /* the next one */
    CHANNEL_GAP,       /* later than the next one: numbers before it are missing */
    CHANNEL_DUPLICATE, /* the room is past it: drop */
};

struct channel {
    enum channel_state state;
    struct position position; /* of the last event that was delivered or known to be stored; LIVE only */
};

void channel_init(struct channel *channel);
/* An event at `position` arrived. DELIVER and GAP move the channel's own position there. */
enum channel_verdict channel_offer(struct channel *channel, const struct position *position);
/* The stream's leader says that `last` is the room's last stored position (epoch EPOCH_EMPTY for none). */
void channel_settle(struct channel *channel, const struct position *last);

#endif
