#include <roomcast/core/channel.h>

#include <assert.h>

void channel_init(struct channel *channel)
{
    *channel = (struct channel){.state = CHANNEL_ASKING};
}

enum channel_verdict channel_offer(struct channel *channel, const struct position *position)
{
    if (channel->state == CHANNEL_ASKING)
        return CHANNEL_HOLD;
    bool same_epoch = strcmp(channel->position.epoch, position->epoch) == 0;
    if (same_epoch && position->seq <= channel->position.seq)
        return CHANNEL_DUPLICATE;
    /* The relay starts a new epoch at 1. */
    uint64_t next = same_epoch ? channel->position.seq + 1 : 1;
    channel->position = *position;
    return position->seq == next ? CHANNEL_DELIVER : CHANNEL_GAP;
}

void channel_settle(struct channel *channel, const struct position *last)
{
    assert(channel->state == CHANNEL_ASKING);
    channel->state = CHANNEL_LIVE;
    channel->position = *last;
}
