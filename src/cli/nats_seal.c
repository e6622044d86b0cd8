#include "nats_seal.h"

#include <string.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>

#define LOG_EVERY_MS 10000

static const struct {
    enum metric metric;
    const char *text;
} refusals[] = {
    [SEAL_UNSEALED] = {METRIC_SEAL_UNSEALED, "not sealed"},
    [SEAL_TRUNCATED] = {METRIC_SEAL_TRUNCATED, "cut off, or of an unknown kind"},
    [SEAL_NO_KEY] = {METRIC_SEAL_NO_KEY, "sealed with a key that is not configured"},
    [SEAL_FORGED] = {METRIC_SEAL_FORGED, "changed, or sealed for another subject"},
    [SEAL_STALE] = {METRIC_SEAL_STALE, "of another time: replayed, or a clock is wrong"},
};

static void refuse(enum seal_verdict verdict, struct slice subject)
{
    static struct log_limit limit = LOG_LIMIT(LOG_EVERY_MS);
    uint64_t suppressed;

    metrics_inc(refusals[verdict].metric);
    if (log_limit_pass(&limit, clock_monotonic_ms(), &suppressed))
        log_warn("seal_rejected", LOG_SLICE("subject", subject), LOG_TEXT("problem", refusals[verdict].text),
                 LOG_U64("suppressed", suppressed));
}

static bool covers(const struct bus_seal *base, struct slice subject)
{
    const struct nats_seal *self = (const struct nats_seal *)base;

    return seal_scope(self->prefix, subject) != SEAL_FOREIGN;
}

static void put(const struct bus_seal *base, struct slice subject, struct slice data, struct buffer *out)
{
    const struct nats_seal *self = (const struct nats_seal *)base;

    seal_put(self->seal, self->prefix, subject, clock_wall_ms(), data, out);
}

static bool open_sealed(const struct bus_seal *base, struct slice subject, char *data, size_t len,
                        struct slice *ret_data)
{
    const struct nats_seal *self = (const struct nats_seal *)base;
    enum seal_verdict verdict =
        seal_open(self->seal, self->prefix, subject, clock_wall_ms(), data, len, ret_data);

    if (verdict != SEAL_OPENED)
        refuse(verdict, subject);
    return verdict == SEAL_OPENED;
}

enum err nats_seal_init(struct nats_seal *seal, const struct config *config)
{
    const struct seal_options options = {.mode = (enum seal_mode)config->nats_seal,
                                         .key = slice_of(config->nats_seal_key),
                                         .previous = slice_of(config->nats_seal_key_previous),
                                         .window_ms = config->nats_seal_window_s * 1000,
                                         .accept_plain = config->nats_seal_accept_plain};

    *seal = (struct nats_seal){.base = {.covers = covers, .put = put, .open = open_sealed},
                               .prefix = config->nats_prefix};
    return options.key.len > 0 ? seal_new(&options, &seal->seal) : ERR_OK;
}

void nats_seal_fini(struct nats_seal *seal)
{
    if (seal->seal)
        seal_free(&seal->seal);
}

const struct bus_seal *nats_seal_get(const struct nats_seal *seal)
{
    return seal->seal ? &seal->base : NULL;
}

const char *nats_seal_check(const struct config *config)
{
    struct nats_seal seal;

    if (config->nats_seal_key[0] == '\0' && config->nats_seal != SEAL_OFF)
        return "nats.seal needs a key: set nats.seal_key (or nats.seal_key_file), the same for all nodes and "
               "relays; make one with `openssl rand -hex 32`";
    if (config->nats_seal_key[0] == '\0' && config->nats_seal_key_previous[0] != '\0')
        return "nats.seal_key_previous needs nats.seal_key";
    enum err err = nats_seal_init(&seal, config);
    nats_seal_fini(&seal);
    return err == ERR_CONFIG
               ? "nats.seal_key and nats.seal_key_previous must be 32 bytes, as 64 hex digits or "
                 "base64: make one with `openssl rand -hex 32`"
               : NULL;
}
