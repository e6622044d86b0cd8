#include <roomcast/core/channel.h>

#include <assert.h>

void channel_init(struct channel *channel)
{
    *channel = (struct channel){.state = CHANNEL_ASKING};
}

void channel_settle(struct channel *channel, const struct position *last)
{
    assert(channel->state == CHANNEL_ASKING);
    channel->state = CHANNEL_LIVE;
    channel->position = *last;
}

static bool same_epoch(const struct position *a, const struct position *b)
{
    return strcmp(a->epoch, b->epoch) == 0;
}

static enum channel_verdict compare(const struct channel *channel, const struct position *position)
{
    bool same = same_epoch(&channel->position, position);
    if (same && position->seq <= channel->position.seq)
        return CHANNEL_DUPLICATE;
    /* The relay starts a new epoch at 1. */
    uint64_t next = same ? channel->position.seq + 1 : 1;
    return position->seq == next ? CHANNEL_DELIVER : CHANNEL_GAP;
}

enum channel_verdict channel_offer(struct channel *channel, const struct position *position)
{
    if (channel->state == CHANNEL_ASKING)
        return CHANNEL_HOLD;
    enum channel_verdict verdict = compare(channel, position);
    if (verdict == CHANNEL_DUPLICATE)
        return verdict;
    if (channel->state == CHANNEL_REPAIRING)
        return CHANNEL_HOLD;
    if (verdict == CHANNEL_DELIVER) {
        channel->position = *position;
    } else {
        channel->state = CHANNEL_REPAIRING;
        channel->target = *position;
    }
    return verdict;
}

bool channel_check(struct channel *channel, const struct position *last)
{
    assert(channel->state != CHANNEL_ASKING);
    /* A room that holds nothing any more has nothing to fetch. */
    if (last->seq == 0 || compare(channel, last) == CHANNEL_DUPLICATE)
        return channel->state == CHANNEL_REPAIRING;
    bool is_nearer = channel->state == CHANNEL_REPAIRING && same_epoch(&channel->target, last) &&
                     last->seq < channel->target.seq;
    if (!is_nearer)
        channel->target = *last;
    channel->state = CHANNEL_REPAIRING;
    return true;
}

enum channel_verdict channel_fetched(struct channel *channel, const struct position *position)
{
    assert(channel->state == CHANNEL_REPAIRING);
    enum channel_verdict verdict = compare(channel, position);
    if (verdict != CHANNEL_DUPLICATE)
        channel->position = *position;
    return verdict;
}

bool channel_is_repaired(const struct channel *channel)
{
    return same_epoch(&channel->position, &channel->target) && channel->position.seq >= channel->target.seq;
}

void channel_resume(struct channel *channel, bool target_is_held)
{
    assert(channel->state == CHANNEL_REPAIRING);
    if (!channel_is_repaired(channel)) {
        channel->position = channel->target;
        channel->position.seq -= target_is_held;
    }
    channel->state = CHANNEL_LIVE;
}
