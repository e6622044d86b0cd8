#include "admin.h"

#include <stdio.h>
#include <stdlib.h>

#include <roomcast/wire/server_message.h>

#include "admin_console.h"
#include "control.h"
#include "node_internal.h"

#define TEXT_MAX (1024u * 1024)

static void answer_error(struct http_exchange *exchange, unsigned status, enum error_code code,
                         const char *message)
{
    struct buffer body;
    buffer_init(&body, TEXT_MAX);
    server_http_error(&body, code, message);
    http_answer(exchange, status, "application/json", buffer_slice(&body), NULL, NULL);
    buffer_fini(&body);
}

static void answer_wrong_method(struct http_exchange *exchange, const char *allowed, const char *message)
{
    struct buffer body;
    buffer_init(&body, TEXT_MAX);
    server_http_error(&body, ERROR_CODE_METHOD_NOT_ALLOWED, message);
    http_answer(exchange, 405, "application/json", buffer_slice(&body), "Allow", allowed);
    buffer_fini(&body);
}

static void answer_ready(struct node *node, struct http_exchange *exchange)
{
    struct buffer text;
    buffer_init(&text, TEXT_MAX);
    bool ready = node_ready(node, &text);
    if (ready)
        buffer_append_text(&text, "ready");
    buffer_append_char(&text, '\n');
    http_answer(exchange, ready ? 200 : 503, "text/plain; charset=utf-8", buffer_slice(&text), NULL, NULL);
    buffer_fini(&text);
}

static void answer_metrics(struct node *node, struct http_exchange *exchange)
{
    struct buffer text;
    buffer_init(&text, TEXT_MAX);
    metrics_render(node->metrics, &text);
    http_answer(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", buffer_slice(&text), NULL, NULL);
    buffer_fini(&text);
}

static void answer_drain(struct node *node, struct http_exchange *exchange)
{
    char text[160];
    node_drain(node, "POST /drain");
    int len = snprintf(text, sizeof text,
                       "{\"success\":true,\"draining\":true,\"connections\":%u,\"spread_ms\":%llu,"
                       "\"timeout_ms\":%llu}",
                       node_drain_clients(node), (unsigned long long)node_drain_spread_ms(node),
                       (unsigned long long)node->shared.config->drain_timeout_s * 1000);
    http_answer(exchange, 202, "application/json", (struct slice){text, (size_t)len}, NULL, NULL);
}

static void answer_cluster(struct node *node, struct http_exchange *exchange)
{
    struct heartbeat self;
    struct cluster_member *members;
    size_t count;
    if (control_see(atomic_load(&node->control), &self, &members, &count) != ERR_OK) {
        answer_error(exchange, 503, ERROR_CODE_OVERLOADED, NULL);
        return;
    }
    struct buffer text;
    buffer_init(&text, TEXT_MAX);
    cluster_json_write(&text, &self, members, count);
    http_answer(exchange, 200, "application/json", buffer_slice(&text), NULL, NULL);
    buffer_fini(&text);
    free(members);
}

static void on_drain(struct node *node, struct http_exchange *exchange)
{
    if (!slice_equal(http_method(exchange), SLICE_LITERAL("POST")))
        answer_wrong_method(exchange, "POST", "use POST: it drains this node");
    else if (http_header(exchange, "Origin").len > 0)
        answer_error(exchange, 403, ERROR_CODE_ORIGIN_NOT_ALLOWED, "no web page may drain a node");
    else
        answer_drain(node, exchange);
}

static void on_exchange(void *context, struct http_exchange *exchange)
{
    struct node *node = context;
    struct slice method = http_method(exchange), path = http_path(exchange);
    if (slice_equal(path, SLICE_LITERAL("/drain")))
        on_drain(node, exchange);
    else if (admin_console_handle(node, exchange))
        return;
    else if (!slice_equal(method, SLICE_LITERAL("GET")) && !slice_equal(method, SLICE_LITERAL("HEAD")))
        answer_wrong_method(exchange, "GET, HEAD", "use GET");
    else if (slice_equal(path, SLICE_LITERAL("/livez")))
        http_answer(exchange, 200, "text/plain; charset=utf-8", SLICE_LITERAL("alive\n"), NULL, NULL);
    else if (slice_equal(path, SLICE_LITERAL("/readyz")))
        answer_ready(node, exchange);
    else if (slice_equal(path, SLICE_LITERAL("/metrics")))
        answer_metrics(node, exchange);
    else if (slice_equal(path, SLICE_LITERAL("/cluster")))
        answer_cluster(node, exchange);
    else
        answer_error(exchange, 404, ERROR_CODE_NOT_FOUND,
                     "there are /livez, /readyz, /metrics, /cluster, /console and POST /drain");
}

enum err admin_start(struct node *node, struct http_server **ret_server, char *problem)
{
    char host[256];
    uint16_t port;
    if (config_split_address(node->shared.config->admin_listen, host, &port) != ERR_OK) {
        snprintf(problem, 256, "admin.listen = \"%.100s\" is not host:port",
                 node->shared.config->admin_listen);
        return ERR_CONFIG;
    }
    struct http_server_options options = {
        .host = host,
        .port = port,
        .max_body_bytes = 4096,
        .max_connections = 64,
        .timeout_s = 10,
    };
    return http_server_new(&options, on_exchange, node, ret_server, problem);
}
