#include "used.h"

#include <pthread.h>
#include <stdlib.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/core/used_tokens.h>
#include <roomcast/wire/subject.h>

#define EXPIRED_PER_TICK 1000u /* nobody waits long for the lock */
#define EXPIRED_PER_USE  2u

struct used {
    const struct config *config;           /* borrowed */
    struct bus *bus;                       /* borrowed */
    struct bus_subscription *subscription; /* main thread only */
    pthread_mutex_t lock;
    struct used_tokens *tokens; /* under lock */
};

static void unlock(struct used *used)
{
    metrics_set(METRIC_USED_TOKENS, (int64_t)used_tokens_count(used->tokens));
    pthread_mutex_unlock(&used->lock);
}

/* One second more, because a token's exp may have a fraction that was cut. */
static uint64_t until(const struct used *used, const struct token_use *use)
{
    uint64_t longer_s = used->config->auth_leeway_s + 1;
    return use->expires_at < UINT64_MAX - longer_s ? use->expires_at + longer_s : UINT64_MAX;
}

/* `is_told`: a node says that it let the token in. Then one that is being taken here is not free again when
 * it is given back. */
static enum err add(struct used *used, const struct token_use *use, bool is_told)
{
    pthread_mutex_lock(&used->lock);
    used_tokens_expire(used->tokens, clock_wall_ms() / 1000, EXPIRED_PER_USE);
    enum err err = used_tokens_add(used->tokens, use->id, until(used, use));
    if (is_told)
        used_tokens_keep(used->tokens, use->id);
    unlock(used);
    return err;
}

enum err used_take(struct used *used, const struct token_claims *claims, struct token_use *ret_use,
                   const char **ret_reason)
{
    if (!used)
        return ERR_OK;
    enum err err = token_use_of(claims, ret_use, ret_reason);
    if (err != ERR_OK)
        return err;
    err = add(used, ret_use, false);
    if (err == ERR_FORBIDDEN)
        *ret_reason = "the token was used before: get a new one for each connection";
    else if (err == ERR_BUSY)
        *ret_reason = "this node remembers as many used tokens as it may";
    else if (err != ERR_OK)
        *ret_reason = err_text(err);
    return err;
}

void used_give_back(struct used *used, const struct token_use *use)
{
    if (!used)
        return;
    pthread_mutex_lock(&used->lock);
    used_tokens_remove(used->tokens, use->id);
    unlock(used);
}

void used_expire(struct used *used)
{
    if (!used)
        return;
    pthread_mutex_lock(&used->lock);
    used_tokens_expire(used->tokens, clock_wall_ms() / 1000, EXPIRED_PER_TICK);
    unlock(used);
}

/* --- the other nodes --- */

static enum err publish(struct used *used, const struct token_use *use)
{
    struct buffer bytes;
    char subject[SUBJECT_SIZE];
    buffer_init(&bytes, TOKEN_USE_MAX_BYTES);
    enum err err = token_use_encode(use, &bytes);
    subject_format_used(used->config->nats_prefix, subject);
    if (err == ERR_OK)
        err = bus_publish(used->bus, subject, buffer_slice(&bytes));
    buffer_fini(&bytes);
    return err;
}

void used_tell(struct used *used, const struct token_use *use)
{
    static struct log_limit limit = LOG_LIMIT(10000);
    uint64_t suppressed;
    if (!used)
        return;
    enum err err = publish(used, use);
    if (err != ERR_OK && log_limit_pass(&limit, clock_monotonic_ms(), &suppressed))
        log_warn("used_token_not_told", LOG_TEXT("error", err_name(err)),
                 LOG_TEXT("meaning", "other nodes do not know that a one-time token was used here"),
                 LOG_U64("suppressed", suppressed));
}

/* Its own signals come back, too. */
static enum err take_signal(struct used *used, struct slice data)
{
    struct token_use use;
    enum err err = token_use_decode(data, &use);
    if (err == ERR_OK)
        err = add(used, &use, true);
    return err == ERR_FORBIDDEN ? ERR_OK : err;
}

static void on_message(void *context, struct bus_message *message)
{
    static struct log_limit limit = LOG_LIMIT(10000);
    uint64_t suppressed;
    enum err err = take_signal(context, message->data);
    bus_message_free(&message);
    if (err == ERR_OK)
        return;
    if (err_category(err) == ERR_CATEGORY_PEER)
        metrics_inc(err == ERR_VERSION ? METRIC_ENVELOPES_VERSION : METRIC_ENVELOPES_BAD);
    if (log_limit_pass(&limit, clock_monotonic_ms(), &suppressed))
        log_warn("used_token_rejected", LOG_TEXT("reason", err_text(err)),
                 LOG_TEXT("meaning", "a one-time token that was used on another node may be used here"),
                 LOG_U64("suppressed", suppressed));
}

/* --- life --- */

enum err used_new(const struct config *config, struct bus *bus, size_t limit, struct used **ret_used)
{
    struct used *used = calloc(1, sizeof *used);
    if (!used)
        return ERR_NO_MEMORY;
    if (used_tokens_new(limit, &used->tokens) != ERR_OK) {
        free(used);
        return ERR_NO_MEMORY;
    }
    used->config = config;
    used->bus = bus;
    pthread_mutex_init(&used->lock, NULL);
    *ret_used = used;
    return ERR_OK;
}

enum err used_start(struct used *used)
{
    char subject[SUBJECT_SIZE];
    if (!used)
        return ERR_OK;
    subject_format_used(used->config->nats_prefix, subject);
    return bus_subscribe(used->bus, subject, on_message, used, &used->subscription);
}

void used_stop(struct used *used)
{
    if (used && used->subscription)
        bus_unsubscribe(used->bus, &used->subscription, NULL);
}

void used_free(struct used **used)
{
    if (!*used)
        return;
    used_tokens_free(&(*used)->tokens);
    pthread_mutex_destroy(&(*used)->lock);
    free(*used);
    *used = NULL;
}
