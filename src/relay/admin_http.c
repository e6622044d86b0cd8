#include "admin_http.h"

#include <roomcast/base/metrics.h>

#include "http_answer.h"

#define TEXT_MAX    (1u << 20)
#define MISSING_MAX 4096u

static void answer_text(struct http_exchange *exchange, unsigned status, struct slice body)
{
    http_answer(exchange, status, "text/plain; charset=utf-8", body, NULL, NULL);
}

static void answer_ready(const struct admin_http *admin, struct http_exchange *exchange)
{
    struct buffer missing;
    bool standby;

    buffer_init(&missing, MISSING_MAX);
    if (relay_ready(admin->relay, &missing, &standby))
        answer_text(exchange, 200, standby ? SLICE_LITERAL("standby\n") : SLICE_LITERAL("ready\n"));
    else
        answer_text(exchange, 503, buffer_slice(&missing));
    buffer_fini(&missing);
}

static void answer_metrics(struct http_exchange *exchange)
{
    struct buffer text;

    buffer_init(&text, TEXT_MAX);
    metrics_render(METRIC_RELAY, &text);
    if (buffer_failed(&text))
        http_refuse(exchange, 500, ERROR_CODE_INTERNAL, NULL, NULL, NULL);
    else
        http_answer(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", buffer_slice(&text), NULL,
                    NULL);
    buffer_fini(&text);
}

static bool is(struct slice a, const char *b)
{
    return slice_equal(a, slice_of(b));
}

/* False, and answers, when the method is another one. HEAD stands for GET: the server leaves the body out. */
static bool require(struct http_exchange *exchange, const char *method)
{
    struct slice given = http_method(exchange);
    bool is_get = strcmp(method, "GET") == 0;

    if (is(given, method) || (is(given, "HEAD") && is_get))
        return true;
    http_refuse(exchange, 405, ERROR_CODE_METHOD_NOT_ALLOWED, NULL, "Allow", is_get ? "GET, HEAD" : method);
    return false;
}

void admin_http_handle(void *context, struct http_exchange *exchange)
{
    const struct admin_http *admin = context;
    struct slice path = http_path(exchange);

    if (is(path, "/v1/events")) {
        if (require(exchange, "POST"))
            source_http_post(admin->events, exchange, PARCEL_EVENTS);
    } else if (is(path, "/v1/revocations")) {
        if (require(exchange, "POST"))
            source_http_post(admin->events, exchange, PARCEL_REVOCATIONS);
    } else if (is(path, "/livez")) {
        if (require(exchange, "GET"))
            answer_text(exchange, 200, SLICE_LITERAL("ok\n"));
    } else if (is(path, "/readyz")) {
        if (require(exchange, "GET"))
            answer_ready(admin, exchange);
    } else if (is(path, "/metrics")) {
        if (require(exchange, "GET"))
            answer_metrics(exchange);
    } else {
        http_refuse(exchange, 404, ERROR_CODE_NOT_FOUND, NULL, NULL, NULL);
    }
}
