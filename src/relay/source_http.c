#include "source_http.h"

#include <stdio.h>

#include "http_answer.h"

#define MESSAGE_SIZE 512
#define ANSWER_MAX   4096u
#define BODY_MIN     (4u << 20) /* an array may have at least this size */

/* --- answers --- */

static void refuse_for_now(struct http_exchange *exchange, enum error_code code, const char *message)
{
    http_refuse(exchange, 503, code, message, "Retry-After", "1");
}

static void answer(void *whom, const struct batch_answer *answer)
{
    struct http_exchange *exchange = whom;
    struct buffer body;

    buffer_init(&body, ANSWER_MAX);
    batch_answer_write(answer, &body);
    http_answer(exchange, answer->status, "application/json", buffer_slice(&body),
                answer->status == 503 ? "Retry-After" : NULL, answer->status == 503 ? "1" : NULL);
    buffer_fini(&body);
}

static void answer_standby(const struct source_http *source, struct http_exchange *exchange)
{
    struct lease_status status;
    char message[MESSAGE_SIZE];

    lease_driver_status(source->lease, &status);
    if (status.kind == LEASE_STATUS_STANDBY)
        snprintf(message, sizeof message, "standby: the active relay is %s",
                 status.name[0] ? status.name : "another one");
    else
        snprintf(message, sizeof message, "standby: no relay is active yet");
    refuse_for_now(exchange, ERROR_CODE_UNAVAILABLE, message);
}

/* --- a request --- */

static bool authorize(const struct config *config, struct http_exchange *exchange)
{
    const char *message = "send the key as `Authorization: Bearer <key>`";

    if (!config->relay_api_key || !config->relay_api_key[0])
        message = "publishing over HTTP is off: relay.api_key is not set";
    else if (http_bears(exchange, config->relay_api_key))
        return true;
    http_refuse(exchange, 401, ERROR_CODE_UNAUTHORIZED, message, "WWW-Authenticate", "Bearer");
    return false;
}

void source_http_post(const struct source_http *source, struct http_exchange *exchange, enum parcel_kind kind)
{
    static const struct parcel_way way = {.source = {"http", sizeof "http" - 1},
                                          .read = METRIC_RELAY_READ_HTTP};
    const struct source_context *context = source->context;
    struct parcel parcel;
    uint64_t tenure = tenure_number(context->tenure);

    if (!authorize(context->config, exchange))
        return;
    if (tenure == 0) {
        answer_standby(source, exchange);
        return;
    }
    parcel_read(context->intake, &way, kind, http_body(exchange), batches_max(source->batches), &parcel);
    batches_take(source->batches, &parcel, tenure, answer, exchange);
    parcel_fini(&parcel);
}

size_t source_http_max_body(const struct config *config)
{
    size_t one = config->relay_max_event_bytes + 1024;

    return one > BODY_MIN ? one : BODY_MIN;
}
