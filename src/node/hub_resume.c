/* What is answered to who joins a room, resumes it or fell behind in it. */
#include "hub_channel.h"

#include <roomcast/base/metrics.h>
#include <roomcast/core/replay.h>

#define REPLAY_KEPT_MS 1000 /* for the others of a storm; longer would hold memory for nobody */

static void give_replay(struct hub *hub, struct hub_channel *channel, struct hub_request *request)
{
    const struct position *since = &request->waiter.since;
    struct replay *cached = channel->replay;
    uint64_t next = since->seq + 1;
    bool is_page = request->kind == HUB_CATCH_UP; /* else one slow client could hold all in every room */

    if (since->seq == request->position.seq)
        return;
    /* What others have just been given will do when it ends where the room stands now. */
    if (cached && (!is_page || cached->bytes <= FEED_PAGE_BYTES) &&
        strcmp(cached->first.epoch, since->epoch) == 0 && cached->first.seq <= next &&
        cached->first.seq + cached->count == request->position.seq + 1) {
        channel->replay_until_ms = hub->now_ms + REPLAY_KEPT_MS;
        request->replay = replay_ref(cached);
        request->replay_at = (uint32_t)(next - cached->first.seq);
        return;
    }
    request->is_all = false;
    if (!is_page && replay_total_bytes() > hub->config->resume_cache_bytes)
        return; /* replays under way hold all that they may: it is served page by page */
    struct replay *replay = is_page ? feed_replay(&channel->feed, since, FEED_PAGE_EVENTS, FEED_PAGE_BYTES)
                                    : feed_replay(&channel->feed, since, UINT32_MAX, SIZE_MAX);
    if (!replay) {
        request->status = ERR_NO_MEMORY;
        return;
    }
    request->replay = replay;
    request->is_all = since->seq + replay->count == request->position.seq;
    if (request->is_all) {
        replay_unref(&channel->replay);
        channel->replay = replay_ref(replay);
        channel->replay_until_ms = hub->now_ms + REPLAY_KEPT_MS;
    }
}

static void count_resume(const struct hub_request *request)
{
    if (!request->waiter.has_since || request->kind == HUB_CATCH_UP)
        return;
    metrics_inc(request->status != ERR_OK ? METRIC_RESUMES_UNAVAILABLE
                : request->is_recovered   ? METRIC_RESUMES_RECOVERED
                                          : METRIC_RESUMES_UNPROVEN);
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
    count_resume(request);
    channel->shares[request->worker].is_left_out = false; /* it goes on from here, and misses what follows */
    bool is_refused = request->status != ERR_OK && !request->keep;
    if (request->kind == HUB_JOIN && is_refused)
        hub_channel_one_fewer(hub, channel, request->worker);
    else if (request->kind == HUB_JOIN && request->status == ERR_OK && channel->chat)
        hub_presence_join(hub, channel, &request->user);
    hub_answer(hub, request, request->status);
}
