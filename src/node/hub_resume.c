/* What is answered to who joins a room, resumes it or fell behind in it. */
#include "hub_channel.h"

#include <roomcast/base/metrics.h>
#include <roomcast/core/replay.h>

#define REPLAY_KEPT_MS 1000 /* for the others of a storm; longer would hold memory for nobody */

/* What others have just been given will do when it ends where the room stands now. */
static bool give_kept(struct hub *hub, struct hub_channel *channel, struct hub_request *request)
{
    struct hub_share *share = &channel->shares[request->worker];
    const struct position *since = &request->waiter.since;
    struct replay *kept = channel->replay;
    uint64_t next = since->seq + 1;
    if (!kept || (request->kind == HUB_CATCH_UP && kept->bytes > FEED_PAGE_BYTES) ||
        strcmp(kept->first.epoch, since->epoch) != 0 || kept->first.seq > next ||
        kept->first.seq + kept->count != request->position.seq + 1)
        return false;
    channel->replay_until_ms = hub->now_ms + REPLAY_KEPT_MS;
    request->replay = replay_ref(kept);
    request->replay_at = (uint32_t)(next - kept->first.seq);
    request->carried = share->has_replay ? 0 : kept->bytes;
    share->has_replay = true;
    return true;
}

static void keep(struct hub *hub, struct hub_channel *channel, const struct hub_request *request)
{
    replay_unref(&channel->replay);
    channel->replay = replay_ref(request->replay);
    channel->replay_until_ms = hub->now_ms + REPLAY_KEPT_MS;
    for (unsigned worker = 0; worker < hub->workers_count; worker++)
        channel->shares[worker].has_replay = worker == request->worker;
}

static void give_replay(struct hub *hub, struct hub_channel *channel, struct hub_request *request)
{
    const struct position *since = &request->waiter.since;
    bool is_page = request->kind == HUB_CATCH_UP; /* else one slow client could hold all in every room */
    bool is_full = hub_outlet_is_full(hub->workers[request->worker]);

    if (since->seq == request->position.seq || give_kept(hub, channel, request))
        return;
    request->is_all = false;
    if (!is_page && (is_full || replay_total_bytes() > hub->config->resume_cache_bytes))
        return; /* replays under way hold all that they may: it is served page by page */
    if (is_full) {
        request->status = ERR_BUSY;
        return;
    }
    request->replay = is_page ? feed_replay(&channel->feed, since, FEED_PAGE_EVENTS, FEED_PAGE_BYTES)
                              : feed_replay(&channel->feed, since, UINT32_MAX, SIZE_MAX);
    if (!request->replay) {
        request->status = ERR_NO_MEMORY;
        return;
    }
    request->carried = request->replay->bytes;
    request->is_all = since->seq + request->replay->count == request->position.seq;
    if (request->is_all)
        keep(hub, channel, request);
}

static void count_resume(const struct hub_channel *channel, const struct hub_request *request)
{
    if (!request->waiter.has_since || request->kind == HUB_CATCH_UP)
        return;
    metrics_inc(request->status != ERR_OK ? METRIC_RESUMES_UNAVAILABLE
                : request->is_recovered   ? METRIC_RESUMES_RECOVERED
                                          : METRIC_RESUMES_UNPROVEN);
    if (request->status == ERR_OK && request->is_recovered)
        metrics_inc(channel->fetched != request->fetched_before ? METRIC_RESUMES_FROM_STREAM
                                                                : METRIC_RESUMES_FROM_HISTORY);
}

void hub_answer_resume(struct hub *hub, struct hub_channel *channel, struct hub_request *request,
                       enum feed_verdict verdict)
{
    request->position = feed_told_position(&channel->feed);
    request->status = verdict == FEED_TIMED_OUT ? ERR_TIMEOUT : ERR_OK;
    request->is_recovered = verdict == FEED_RECOVERED;
    request->is_all = true;
    if (request->is_recovered)
        give_replay(hub, channel, request);
    count_resume(channel, request);
    channel->shares[request->worker].is_left_out = false; /* it goes on from here, and misses what follows */
    bool is_refused = request->status != ERR_OK && !request->keep;
    if (request->kind == HUB_JOIN && is_refused)
        hub_channel_one_fewer(hub, channel, request->worker);
    else if (request->kind == HUB_JOIN && request->status == ERR_OK && channel->chat)
        hub_presence_join(hub, channel, &request->user);
    hub_answer(hub, request, request->status);
}
