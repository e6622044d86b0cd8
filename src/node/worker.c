#include "worker.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <roomcast/base/log.h>

#include "handshake.h"
#include "verifying.h"
#include "worker_echo.h"
#include "worker_internal.h"

#define TICK_MS         50
#define CLOSE_TIMEOUT_S 5
#define TEXT_MAX        (4u * 1024 * 1024) /* a presence list of a very large chat */
#define HEADERS_MAX     (128u * 1024)      /* limits.header_bytes at most, and some */

/* --- from the WebSocket server --- */

static void on_open(void *context, struct ws_connection *connection, void *session)
{
    struct worker *worker = context;
    worker->now_ms = loop_now_ms(worker->loop);
    client_begin(worker, session, connection);
    if (worker->drain.is_on) /* its upgrade was under way when the drain began */
        client_close(worker, session, worker->drain.reason);
}

static void on_abandoned(void *context, void *session)
{
    client_end(context, session, WS_END_LOST, 1006);
}

static void on_message(void *context, struct ws_connection *connection, struct slice text)
{
    struct worker *worker = context;
    struct client *client = ws_connection_session(connection);
    worker->now_ms = loop_now_ms(worker->loop);
    client_note_said(worker, client);
#ifdef ROOMCAST_CONFORMANCE
    if (echo_take(worker, client, FRAME_TEXT, text))
        return;
#endif
    client_on_text(worker, client, text);
}

#ifdef ROOMCAST_CONFORMANCE
static void on_binary(void *context, struct ws_connection *connection, struct slice bytes)
{
    struct worker *worker = context;
    worker->now_ms = loop_now_ms(worker->loop);
    echo_take(worker, ws_connection_session(connection), FRAME_BINARY, bytes);
}
#endif

static void on_too_big(void *context, struct ws_connection *connection)
{
    struct worker *worker = context;
    worker->now_ms = loop_now_ms(worker->loop);
    client_close(worker, ws_connection_session(connection), CLOSE_MESSAGE_TOO_BIG);
}

static void on_pong(void *context, struct ws_connection *connection)
{
    struct worker *worker = context;
    struct client *client = ws_connection_session(connection);
    session_ponged(&client->session);
    client_arm(worker, client);
}

static void on_writable(void *context, struct ws_connection *connection)
{
    struct worker *worker = context;
    struct client *client = ws_connection_session(connection);
    worker->now_ms = loop_now_ms(worker->loop);
    client_set_blocked(client, false);
    session_progressed(&client->session, &worker->shared->rules, worker->now_ms);
    client_arm(worker, client);
    client_note_queued(worker, client, 0, 0); /* what is queued, or can be, leaves at the end of the turn */
}

/* Answers to what it said before its close, in the same read perhaps. */
static void on_ending(void *context, struct ws_connection *connection)
{
    struct worker *worker = context;
    worker->now_ms = loop_now_ms(worker->loop);
    client_write_out(worker, ws_connection_session(connection));
}

static void on_closed(void *context, struct ws_connection *connection, enum ws_end end, unsigned code)
{
    client_end(context, ws_connection_session(connection), end, code);
}

static enum metric handshake_metric(unsigned status)
{
    switch (status) {
    case 408:
        return METRIC_HANDSHAKES_LATE;
    case 414:
    case 431:
        return METRIC_HANDSHAKES_TOO_LARGE;
    case 503: /* nothing is wrong with the request */
        return METRIC_HANDSHAKES_OVERLOADED;
    default:
        return METRIC_HANDSHAKES_BAD_REQUEST;
    }
}

static void on_bad_request(void *context, unsigned status, const char *what)
{
    static struct log_limit limit = LOG_LIMIT(1000);
    struct worker *worker = context;
    uint64_t suppressed;
    metrics_inc(handshake_metric(status));
    if (log_limit_pass(&limit, loop_now_ms(worker->loop), &suppressed))
        log_info("bad_http_request", LOG_TEXT("reason", what), LOG_U64("suppressed", suppressed));
}

static void on_refused(void *context, enum ws_refused why)
{
    static struct log_limit limit = LOG_LIMIT(1000);
    struct worker *worker = context;
    uint64_t suppressed;
    static const struct {
        enum metric metric;
        const char *reason;
    } rows[] = {
        [WS_REFUSED_SOCKETS] = {METRIC_REFUSED_SOCKETS, "no socket is left"},
        [WS_REFUSED_PENDING] = {METRIC_REFUSED_PENDING, "too many handshakes are under way"},
        [WS_REFUSED_FAST] = {METRIC_REFUSED_FAST, "TLS handshakes come faster than the limit"},
        [WS_REFUSED_PROXY] = {METRIC_REFUSED_PROXY, "a proxy sent no proper PROXY header in time"},
    };
    metrics_inc(rows[why].metric);
    if (log_limit_pass(&limit, loop_now_ms(worker->loop), &suppressed))
        log_warn("connection_refused", LOG_TEXT("reason", rows[why].reason),
                 LOG_U64("suppressed", suppressed));
}

static bool on_accept(void *context, const char *peer)
{
    struct worker *worker = context;
    return handshake_may_begin(worker->shared, peer);
}

static void on_tls(void *context, struct ws_connection *connection, enum tls_state outcome,
                   const char *reason)
{
    static struct log_limit limit = LOG_LIMIT(1000);
    static const enum metric metrics[] = {
        [TLS_HANDSHAKING] = METRIC_TLS_ABANDONED, [TLS_ESTABLISHED] = METRIC_TLS_FULL,
        [TLS_RESUMED] = METRIC_TLS_RESUMED,       [TLS_PLAIN] = METRIC_TLS_PLAIN_HTTP,
        [TLS_FAILED] = METRIC_TLS_FAILED,
    };
    struct worker *worker = context;
    uint64_t suppressed;
    metrics_inc(metrics[outcome]);
    if (outcome == TLS_FAILED && log_limit_pass(&limit, loop_now_ms(worker->loop), &suppressed))
        log_info("tls_failed", LOG_TEXT("reason", reason), LOG_TEXT("peer", ws_connection_peer(connection)),
                 LOG_U64("suppressed", suppressed));
}

/* In the middle of a turn: deliveries do not wait until all who have come with a storm are served, or gone.
 */
static void on_busy(void *context)
{
    struct worker *worker = context;
    worker->now_ms = loop_now_ms(worker->loop);
    worker_take_arrivals(worker);
    worker_flush(worker);
}

/* --- the loop's turns --- */

static void on_wake(void *context)
{
    struct worker *worker = context;
    worker->now_ms = loop_now_ms(worker->loop);
    worker_take_orders(worker);
    worker_take_revoked(worker); /* before what is still on its way to those whom it hits */
    worker_take_arrivals(worker);
    worker_take_verified(worker);
    if (worker->stop_asked)
        loop_stop(worker->loop);
}

static void fire(void *context, struct wheel_timer *timer)
{
    struct session *session = (struct session *)((char *)timer - offsetof(struct session, timer));
    client_on_timer(context, (struct client *)session);
}

static void on_tick(void *context)
{
    struct worker *worker = context;
    worker->now_ms = loop_now_ms(worker->loop);
    timer_wheel_advance(&worker->wheel, worker->now_ms, fire, worker);
    worker_take_revoked(worker); /* what had to rest */
    worker_look_for_tokens(worker);
    used_expire(worker->shared->used);
    worker_drain_on(worker);
}

/* What was put off leaves at the end of this turn. */
static void on_write_delay(void *context)
{
    struct worker *worker = context;
    worker->now_ms = loop_now_ms(worker->loop);
}

static void on_turn_end(void *context)
{
    struct worker *worker = context;
    worker->now_ms = loop_now_ms(worker->loop);
    worker_flush(worker);
    worker_work_on_held(worker);
    client_free_ended(worker);
}

static void on_turn(void *context, uint64_t worked_ns)
{
    (void)context;
    metrics_observe_us(HISTOGRAM_LOOP_TURN, worked_ns / 1000);
}

/* --- life --- */

static void wake(void *context)
{
    struct worker *worker = context;
    loop_wake_send(worker->wake);
}

enum err worker_new(struct node_shared *shared, unsigned index, struct worker **ret_worker)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return ERR_NO_MEMORY;
    worker->shared = shared;
    worker->index = index;
    buffer_init(&worker->text, TEXT_MAX);
    buffer_init(&worker->headers, HEADERS_MAX);
    inbox_init(&worker->arriving.inbox, wake, worker);
    inbox_init(&worker->verified, wake, worker);
    inbox_init(&worker->orders, wake, worker);

    enum err err = ERR_NO_MEMORY;
    worker->send = send_state_new();
    worker->arrivals = arrivals_new();
    worker->ping = frame_new(FRAME_PING, (struct slice){NULL, 0});
    if (worker->send && worker->arrivals && worker->ping)
        err = rooms_new(&worker->rooms);
    if (err == ERR_OK)
        err = loop_new(&worker->loop);
    if (err == ERR_OK)
        err = loop_wake_new(worker->loop, on_wake, worker, &worker->wake);
    if (err == ERR_OK)
        err = loop_timer_new(worker->loop, on_tick, worker, &worker->tick);
    if (err == ERR_OK && shared->config->write_delay_ms > 0)
        err = loop_timer_new(worker->loop, on_write_delay, worker, &worker->write_delay);
    if (err == ERR_OK)
        err = loop_add_turn_end(worker->loop, on_turn_end, worker);
    if (err == ERR_OK && token_verifier_has_slow_key(shared->verifier))
        err = verifying_start(shared->verifier, shared->issuer, &worker->verified, &worker->verifying);
    if (err != ERR_OK) {
        worker_free(&worker);
        return err;
    }
    loop_watch_turns(worker->loop, on_turn, worker);
    worker->now_ms = loop_now_ms(worker->loop);
    timer_wheel_init(&worker->wheel, TICK_MS, worker->now_ms);
    *ret_worker = worker;
    return ERR_OK;
}

struct hub_outlet *worker_outlet(struct worker *worker)
{
    return &worker->arriving;
}

static void *run(void *context)
{
    struct worker *worker = context;
    loop_run(worker->loop);
    /* Cuts what is still open; each session ends by on_closed. */
    ws_server_free(&worker->server);
    return NULL;
}

static void tell_writes(struct worker *worker)
{
    const char *why_plain = ws_server_plain_writes(worker->server);
    worker->counts_as_io_uring = !why_plain;
    if (!why_plain)
        metrics_change(METRIC_IO_URING_WORKERS, 1);
    if (worker->index == 0) /* the others have the same kernel and options */
        log_info("writes", LOG_TEXT("by", why_plain ? "write" : "io_uring"),
                 LOG_TEXT("because", why_plain ? why_plain : "the kernel allows it"));
}

enum err worker_start(struct worker *worker, const char *host, uint16_t port, uint16_t *ret_port,
                      char *problem)
{
    const struct config *config = worker->shared->config;
    struct ws_server_options options = {
        .loop = worker->loop,
        .host = host,
        .port = port,
        .max_message_bytes = config->limits_message_bytes,
        .max_header_bytes = config->limits_header_bytes,
        .handshake_timeout_s = (unsigned)config->limits_handshake_s,
        .close_timeout_s = CLOSE_TIMEOUT_S,
        .io_uring = config->write_io_uring,
        .permessage_deflate = config->websocket_compression > 0,
        .tls = certificate_identity(worker->shared->certificate),
        .proxies = door_proxies(worker->shared->door),
        .max_sockets = worker->shared->max_sockets,
        .max_pending = worker->shared->max_pending,
        .sockets = &worker->shared->sockets,
        .pending = &worker->shared->pending,
    };
    struct ws_handlers handlers = {
        .on_request = worker_on_request,
        .on_withdrawn = worker_on_withdrawn,
        .on_open = on_open,
        .on_abandoned = on_abandoned,
        .on_message = on_message,
        .on_too_big = on_too_big,
        .on_pong = on_pong,
        .on_writable = on_writable,
        .on_ending = on_ending,
        .on_closed = on_closed,
        .on_bad_request = on_bad_request,
        .on_refused = on_refused,
        .on_accept = on_accept,
        .on_tls = on_tls,
        .on_busy = on_busy,
        .context = worker,
    };
#ifdef ROOMCAST_CONFORMANCE
    options.max_message_bytes = ECHO_MESSAGE_MAX;
    handlers.on_binary = on_binary;
    if (worker->index == 0)
        log_warn("conformance_build", LOG_TEXT("endpoint", "/echo"),
                 LOG_TEXT("reason",
                          "everybody may connect there without a token: never use this build elsewhere"));
#endif
    enum err err = ws_server_new(&options, &handlers, &worker->server, problem);
    if (err != ERR_OK)
        return err;
    *ret_port = ws_server_port(worker->server);
    tell_writes(worker);
    loop_timer_start(worker->tick, TICK_MS, TICK_MS);
    if (pthread_create(&worker->thread, NULL, run, worker) != 0) {
        ws_server_free(&worker->server);
        snprintf(problem, 256, "a worker thread cannot be started");
        return ERR_IO;
    }
    worker->started = true;
    return ERR_OK;
}

uint32_t worker_staying(const struct worker *worker)
{
    return atomic_load_explicit(&worker->staying, memory_order_relaxed);
}

uint64_t worker_queued_bytes(const struct worker *worker)
{
    long long queued = atomic_load_explicit(&worker->queued, memory_order_relaxed);
    return queued > 0 ? (uint64_t)queued : 0;
}

void worker_ask_revoked(struct worker *worker)
{
    loop_wake_send(worker->wake);
}

void worker_look_again(struct worker *worker)
{
    verifying_look_again(worker->verifying);
}

void worker_ask_stop(struct worker *worker)
{
    worker->stop_asked = true;
    loop_wake_send(worker->wake);
}

void worker_join(struct worker *worker)
{
    if (worker->started)
        pthread_join(worker->thread, NULL);
    worker->started = false;
}

void worker_free(struct worker **worker)
{
    struct worker *w = *worker;
    if (!w)
        return;
    verifying_stop(&w->verifying);
    worker_drop_verified(w);
    worker_drop_arrivals(w); /* the hub has ended: its last answers are here, and nothing else will come */
    worker_drop_orders(w);
    client_free_ended(w);
    if (w->rooms)
        rooms_free(&w->rooms);
    loop_free(&w->loop);
    inbox_fini(&w->arriving.inbox);
    inbox_fini(&w->verified);
    inbox_fini(&w->orders);
    buffer_fini(&w->text);
    buffer_fini(&w->headers);
    frame_unref(&w->ping);
    send_state_free(&w->send);
    free(w);
    *worker = NULL;
}
