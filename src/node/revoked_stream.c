/* What the stream holds: asked for when the node starts, and whenever a message may have been missed. */
#include "revoked_internal.h"

#include <stdlib.h>

#include <roomcast/base/log.h>
#include <roomcast/wire/subject.h>

#define WAIT_MAX   4000u /* between two questions that are not answered */
#define TIMEOUT_MS 5000u

/* A question to the stream and its answer. */
struct answer {
    struct inbox_item item; /* first */
    struct revoked *revoked;
    unsigned shard; /* REVOCATION_SHARDS: how far the stream goes */
    enum bus_last_status status;
    uint64_t stream_seq;
    char *data; /* owned; NULL when there was no memory for it */
    size_t len;
};

static void on_last(void *context, const struct bus_last_result *result)
{
    struct answer *answer = context;
    bool is_extent = answer->shard == REVOCATION_SHARDS;
    answer->status = result->status;
    if (result->status == BUS_LAST_FOUND) {
        answer->stream_seq = is_extent ? result->extent.last_seq : result->stream_seq;
        answer->len = is_extent ? 0 : result->data.len;
        answer->data = malloc(answer->len + 1);
        if (answer->data && answer->len)
            memcpy(answer->data, result->data.data, answer->len);
    }
    if (!inbox_put(&answer->revoked->answers, &answer->item)) {
        free(answer->data);
        free(answer);
    }
}

static struct answer *new_answer(struct revoked *revoked, unsigned shard)
{
    struct answer *answer = calloc(1, sizeof *answer);
    if (!answer)
        return NULL; /* the next tick tries again */
    answer->revoked = revoked;
    answer->shard = shard;
    return answer;
}

static void ask_shard(struct revoked *revoked, unsigned shard)
{
    char subject[SUBJECT_SIZE];
    struct answer *answer = new_answer(revoked, shard);
    if (!answer)
        return;
    revoked->asking |= UINT64_C(1) << shard;
    subject_format_revocation_shard(revoked->options.config->nats_prefix, SUBJECT_EVENT, shard, subject);
    bus_last(revoked->options.bus, subject, TIMEOUT_MS, on_last, answer);
}

/* What is not answered is asked again, ever more slowly: the stream's leader may have enough to do. */
static void ask_shards(struct revoked *revoked, uint64_t now_ms)
{
    if (~(revoked->fresh | revoked->asking) == 0 || now_ms < revoked->ask_at_ms)
        return;
    for (unsigned shard = 0; shard < REVOCATION_SHARDS; shard++) {
        if (!((revoked->fresh | revoked->asking) >> shard & 1))
            ask_shard(revoked, shard);
    }
    revoked->wait_ms = revoked->wait_ms ? 2 * revoked->wait_ms : REVOKED_TICK_MS;
    if (revoked->wait_ms > WAIT_MAX)
        revoked->wait_ms = WAIT_MAX;
    revoked->ask_at_ms = now_ms + revoked->wait_ms;
}

/* A live message may be lost without a word. */
static void verify(struct revoked *revoked, uint64_t now_ms)
{
    struct answer *answer;
    if (revoked->is_verifying || now_ms < revoked->verify_at_ms)
        return;
    revoked->verify_at_ms = now_ms + REVOKED_VERIFY_MS;
    answer = new_answer(revoked, REVOCATION_SHARDS);
    if (!answer)
        return;
    revoked->is_verifying = true;
    revoked->verifying_from = revoked->last_seq;
    bus_ask_extent(revoked->options.bus, 0, TIMEOUT_MS, on_last, answer);
}

void revoked_ask_again(struct revoked *revoked)
{
    revoked->fresh = 0;
    revoked->stale = revoked->asking; /* those answers may be older than what was missed */
    revoked->ask_at_ms = revoked->wait_ms = 0;
}

static void note_loaded(struct revoked *revoked)
{
    if (~revoked->answered != 0 || atomic_exchange(&revoked->is_loaded, true))
        return;
    log_info("revocations_loaded", LOG_U64("count", atomic_load(&revoked->count)));
}

static void on_shard(struct revoked *revoked, const struct answer *answer)
{
    uint64_t bit = UINT64_C(1) << answer->shard;
    bool is_stale = revoked->stale & bit;
    revoked->asking &= ~bit;
    revoked->stale &= ~bit;
    if (answer->status == BUS_LAST_UNAVAILABLE)
        return;
    if (answer->status == BUS_LAST_FOUND &&
        (!answer->data || !revoked_take(revoked, (struct slice){answer->data, answer->len})))
        return;
    if (answer->stream_seq > revoked->last_seq)
        revoked->last_seq = answer->stream_seq;
    revoked->answered |= bit;
    if (!is_stale)
        revoked->fresh |= bit;
    if (~revoked->fresh == 0)
        revoked->wait_ms = revoked->ask_at_ms = 0;
    note_loaded(revoked);
}

static void on_extent(struct revoked *revoked, const struct answer *answer)
{
    revoked->is_verifying = false;
    if (answer->status != BUS_LAST_FOUND || answer->stream_seq == revoked->last_seq)
        return;
    bool is_overtaken = answer->stream_seq < revoked->last_seq && revoked->last_seq > revoked->verifying_from;
    if (is_overtaken) /* by what came live since */
        return;
    revoked->last_seq = answer->stream_seq; /* lower: the stream was made anew */
    revoked_ask_again(revoked);
}

/* --- for revoked.c --- */

void revoked_ask(struct revoked *revoked, uint64_t now_ms)
{
    ask_shards(revoked, now_ms);
    if (~revoked->fresh == 0)
        verify(revoked, now_ms);
}

void revoked_take_answers(struct revoked *revoked)
{
    struct inbox_item *item, *next;
    for (item = inbox_take(&revoked->answers); item; item = next) {
        struct answer *answer = (struct answer *)item;
        next = item->next;
        if (answer->shard == REVOCATION_SHARDS)
            on_extent(revoked, answer);
        else
            on_shard(revoked, answer);
        free(answer->data);
        free(answer);
    }
}

void revoked_drop_answers(struct revoked *revoked)
{
    struct inbox_item *item, *next;
    for (item = inbox_take(&revoked->answers); item; item = next) {
        next = item->next;
        free(((struct answer *)item)->data);
        free(item);
    }
}
