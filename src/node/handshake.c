#include "handshake.h"

#include <strings.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>

#include "origin.h"

#define SUBPROTOCOL       "roomcast.v1"
#define BEARER_PREFIX     "bearer."
#define RETRY_AFTER_S     5
#define RETRY_ELSEWHERE_S 1 /* another node takes who comes there */

static bool starts_with(struct slice text, struct slice prefix)
{
    return text.len >= prefix.len && memcmp(text.data, prefix.data, prefix.len) == 0;
}

static struct slice after_prefix(struct slice text, size_t prefix_len)
{
    return (struct slice){text.data + prefix_len, text.len - prefix_len};
}

/* Looks through "roomcast.v1, bearer.<jwt>" (RFC 6455 section 11.3.4). */
static void read_subprotocols(struct slice list, struct slice *ret_token, const char **ret_subprotocol)
{
    while (list.len > 0) {
        const char *comma = memchr(list.data, ',', list.len);
        size_t len = comma ? (size_t)(comma - list.data) : list.len;
        struct slice name = slice_trim((struct slice){list.data, len});
        if (slice_equal(name, SLICE_LITERAL(SUBPROTOCOL)))
            *ret_subprotocol = SUBPROTOCOL;
        else if (starts_with(name, SLICE_LITERAL(BEARER_PREFIX)) && ret_token->len == 0)
            *ret_token = after_prefix(name, sizeof BEARER_PREFIX - 1);
        list = after_prefix(list, comma ? len + 1 : len);
    }
}

/* The order of proto/README.md: subprotocol, header, query. */
static struct slice find_token(const struct ws_request *request, const char **ret_subprotocol)
{
    struct slice token = {NULL, 0};
    read_subprotocols(request->subprotocols, &token, ret_subprotocol);
    if (token.len > 0)
        return token;
    /* RFC 7235 section 2.1: the scheme is case-insensitive. */
    if (request->authorization.len > 7 && strncasecmp(request->authorization.data, "Bearer ", 7) == 0)
        return slice_trim(after_prefix(request->authorization, 7));
    return request->query_token;
}

struct outcome {
    struct handshake_refusal refusal;
    enum metric metric;
};

/* Returns false, the verdict. */
static bool refuse(struct outcome *out, enum metric metric, unsigned status, enum error_code code,
                   const char *message)
{
    *out = (struct outcome){{.status = status, .code = code, .message = message}, metric};
    if (status == 429 || status == 503)
        out->refusal.retry_after_s = code == ERROR_CODE_DRAINING ? RETRY_ELSEWHERE_S : RETRY_AFTER_S;
    return false;
}

static bool takes_clients(const struct node_shared *shared, struct outcome *out)
{
    if (shared_is_draining(shared))
        return refuse(out, METRIC_HANDSHAKES_DRAINING, 503, ERROR_CODE_DRAINING, NULL);
    if (atomic_load(&shared->state) == NODE_ISOLATED)
        return refuse(out, METRIC_HANDSHAKES_UNAVAILABLE, 503, ERROR_CODE_UNAVAILABLE,
                      "this node is cut off from the others");
    if (atomic_load(&shared->memory_stage) >= MEMORY_REFUSING)
        return refuse(out, METRIC_HANDSHAKES_MEMORY, 503, ERROR_CODE_OVERLOADED,
                      "this node is near its memory ceiling");
    return true;
}

static bool is_endpoint(struct slice path)
{
    return slice_equal(path, SLICE_LITERAL("/ws")) || slice_equal(path, SLICE_LITERAL("/api/v1/ws"));
}

bool handshake_is_stream(struct slice path)
{
    return slice_equal(path, SLICE_LITERAL("/events")) || slice_equal(path, SLICE_LITERAL("/api/v1/events"));
}

bool handshake_may_read(const struct node_shared *shared, const struct ws_request *request)
{
    return request->origin.len > 0 &&
           origin_allowed(&shared->config->allowed_origins, request->origin, request->host);
}

static bool pass_door(enum door_verdict verdict, struct outcome *out)
{
    switch (verdict) {
    case DOOR_OPEN:
        return true;
    case DOOR_ADDRESS_FAST:
        return refuse(out, METRIC_HANDSHAKES_ADDRESS_FAST, 429, ERROR_CODE_RATE_LIMITED,
                      "handshakes from this address come faster than the limit");
    case DOOR_NODE_FAST:
        return refuse(out, METRIC_HANDSHAKES_NODE_FAST, 503, ERROR_CODE_OVERLOADED,
                      "handshakes come faster than this node takes them");
    case DOOR_ADDRESS_FULL:
        return refuse(out, METRIC_HANDSHAKES_ADDRESS_FULL, 429, ERROR_CODE_TOO_MANY_CONNECTIONS,
                      "this address has as many connections as allowed");
    case DOOR_NO_MEMORY:
        break;
    }
    return refuse(out, METRIC_HANDSHAKES_OVERLOADED, 503, ERROR_CODE_OVERLOADED, NULL);
}

/* A TLS handshake costs much more than what the pace of requests protects: who speaks for himself was asked
 * before it. */
static bool was_asked_early(const struct node_shared *shared, struct slice peer)
{
    return shared->certificate && door_is_client(shared->door, peer);
}

bool handshake_may_begin(struct node_shared *shared, const char *peer)
{
    struct address address;
    if (!was_asked_early(shared, slice_of(peer)) || !address_parse(slice_of(peer), &address))
        return true;
    return door_ask(shared->door, &address) == DOOR_OPEN;
}

static bool may_ask(struct node_shared *shared, const struct ws_request *request, const struct address *from,
                    struct outcome *out)
{
    return was_asked_early(shared, request->peer) || pass_door(door_ask(shared->door, from), out);
}

static bool check_upgrade(const struct ws_request *request, struct outcome *out)
{
    if (!request->is_upgrade && !request->fault)
        return refuse(out, METRIC_HANDSHAKES_BAD_REQUEST, 426, ERROR_CODE_UPGRADE_REQUIRED,
                      "this path speaks WebSocket (RFC 6455): send an upgrade request");
    if (!request->is_upgrade)
        return refuse(out, METRIC_HANDSHAKES_BAD_REQUEST, 400, ERROR_CODE_BAD_REQUEST, request->fault);
    return true;
}

static bool is_preflight(const struct ws_request *request)
{
    return slice_equal(request->method, SLICE_LITERAL("OPTIONS"));
}

static bool check_stream(const struct ws_request *request, struct outcome *out)
{
    if (!slice_equal(request->method, SLICE_LITERAL("GET")) && !is_preflight(request))
        return refuse(out, METRIC_HANDSHAKES_BAD_REQUEST, 405, ERROR_CODE_METHOD_NOT_ALLOWED,
                      "server-sent events are read by GET");
    if (request->is_upgrade)
        return refuse(out, METRIC_HANDSHAKES_BAD_REQUEST, 400, ERROR_CODE_BAD_REQUEST,
                      "server-sent events need no upgrade; the WebSocket endpoint is /ws");
    if (request->fault)
        return refuse(out, METRIC_HANDSHAKES_BAD_REQUEST, 400, ERROR_CODE_BAD_REQUEST, request->fault);
    return true;
}

/* What can be said from the request line and headers alone. */
static bool check_request(struct node_shared *shared, const struct ws_request *request,
                          const struct address *from, struct outcome *out)
{
    if (!may_ask(shared, request, from, out))
        return false;
    bool is_stream = handshake_is_stream(request->path);
    if (!is_stream && !is_endpoint(request->path))
        return refuse(out, METRIC_HANDSHAKES_NOT_FOUND, 404, ERROR_CODE_NOT_FOUND,
                      "the WebSocket endpoint is /ws, server-sent events are at /events");
    if (!(is_stream ? check_stream(request, out) : check_upgrade(request, out)))
        return false;
    if (!takes_clients(shared, out))
        return false;
    if (!revoked_is_loaded(shared->revoked))
        return refuse(out, METRIC_HANDSHAKES_UNAVAILABLE, 503, ERROR_CODE_UNAVAILABLE,
                      "the node does not know yet what is revoked");
    if (!origin_allowed(&shared->config->allowed_origins, request->origin, request->host))
        return refuse(out, METRIC_HANDSHAKES_ORIGIN, 403, ERROR_CODE_ORIGIN_NOT_ALLOWED,
                      "pages of this origin may not connect: see option allowed_origins");
    if (is_stream && is_preflight(request))
        return refuse(out, METRIC_HANDSHAKES_PREFLIGHT, 204, ERROR_CODE_UNAUTHORIZED, NULL);
    return true;
}

static bool count_user(struct node_shared *shared, const struct room_key *user, struct outcome *out)
{
    pthread_mutex_lock(&shared->quota_lock);
    enum err err = user_quota_take(shared->quota, user);
    pthread_mutex_unlock(&shared->quota_lock);
    if (err == ERR_OK)
        return true;
    if (err == ERR_BUSY)
        return refuse(out, METRIC_HANDSHAKES_TOO_MANY, 429, ERROR_CODE_TOO_MANY_CONNECTIONS, NULL);
    return refuse(out, METRIC_HANDSHAKES_OVERLOADED, 503, ERROR_CODE_OVERLOADED, NULL);
}

static bool count_address_and_user(struct node_shared *shared, const struct address *from,
                                   const struct room_key *user, struct outcome *out)
{
    if (!pass_door(door_take(shared->door, from), out))
        return false;
    if (count_user(shared, user, out))
        return true;
    door_give(shared->door, from);
    return false;
}

static bool count_connection(struct node_shared *shared, const struct address *from,
                             const struct room_key *user, struct outcome *out)
{
    if (atomic_fetch_add(&shared->connections, 1) >= shared->max_connections) {
        atomic_fetch_sub(&shared->connections, 1);
        return refuse(out, METRIC_HANDSHAKES_OVERLOADED, 503, ERROR_CODE_OVERLOADED,
                      "this node has as many connections as it may");
    }
    if (count_address_and_user(shared, from, user, out))
        return true;
    atomic_fetch_sub(&shared->connections, 1);
    return false;
}

/* The last of all that is asked: who is refused for anything else may come again with it. */
static bool use_token(struct node_shared *shared, const struct token_claims *claims,
                      struct token_use *ret_use, struct outcome *out)
{
    const char *reason = NULL;
    switch (used_take(shared->used, claims, ret_use, &reason)) {
    case ERR_OK:
        return true;
    case ERR_MISSING:
        return refuse(out, METRIC_HANDSHAKES_UNAUTHORIZED, 401, ERROR_CODE_UNAUTHORIZED, reason);
    case ERR_FORBIDDEN:
        return refuse(out, METRIC_HANDSHAKES_USED, 401, ERROR_CODE_UNAUTHORIZED, reason);
    default:
        return refuse(out, METRIC_HANDSHAKES_OVERLOADED, 503, ERROR_CODE_OVERLOADED, reason);
    }
}

static void tell(const struct address *from, const struct outcome *outcome,
                 struct handshake_refusal *ret_refusal)
{
    static struct log_limit limit = LOG_LIMIT(100);
    const struct handshake_refusal *refusal = &outcome->refusal;
    uint64_t suppressed;
    metrics_inc(outcome->metric);
    *ret_refusal = *refusal;
    if (outcome->metric == METRIC_HANDSHAKES_PREFLIGHT)
        return;
    if (!log_limit_pass(&limit, clock_monotonic_ms(), &suppressed))
        return;
    char peer[ADDRESS_TEXT_SIZE];
    address_format(from, peer);
    log_info("handshake_refused", LOG_TEXT("peer", peer), LOG_U64("status", refusal->status),
             LOG_TEXT("code", error_code_text(refusal->code)),
             LOG_TEXT("reason", refusal->message ? refusal->message : error_code_meaning(refusal->code)),
             LOG_U64("suppressed", suppressed));
}

bool handshake_may_ask(struct node_shared *shared, const struct ws_request *request,
                       struct handshake_refusal *ret_refusal)
{
    struct outcome outcome;
    const struct address from = door_address(shared->door, request);
    bool good = may_ask(shared, request, &from, &outcome);
    if (!good)
        tell(&from, &outcome, ret_refusal);
    return good;
}

bool handshake_check(struct node_shared *shared, const struct ws_request *request,
                     struct handshake_token *ret_token, struct handshake_refusal *ret_refusal)
{
    struct outcome outcome;
    struct handshake_token token = {.from = door_address(shared->door, request),
                                    .is_stream = handshake_is_stream(request->path)};
    bool good = check_request(shared, request, &token.from, &outcome);
    if (good)
        token.text = find_token(request, &token.subprotocol);
    if (good && token.text.len == 0)
        good = refuse(&outcome, METRIC_HANDSHAKES_UNAUTHORIZED, 401, ERROR_CODE_UNAUTHORIZED,
                      token.is_stream ? "no token: send it as Authorization: Bearer <jwt> or as ?token="
                                      : "no token: send it as subprotocol bearer.<jwt>, as Authorization: "
                                        "Bearer <jwt> or as ?token=");
    *ret_token = token;
    if (!good)
        tell(&token.from, &outcome, ret_refusal);
    return good;
}

static bool count(struct node_shared *shared, const struct handshake_token *token,
                  const struct token_claims *claims, struct token_use *ret_use, struct outcome *out)
{
    if (token->err == ERR_NO_MEMORY || token->err == ERR_BUSY)
        return refuse(out, METRIC_HANDSHAKES_OVERLOADED, 503, ERROR_CODE_OVERLOADED, NULL);
    if (token->err == ERR_UNAVAILABLE)
        return refuse(out, METRIC_HANDSHAKES_UNAVAILABLE, 503, ERROR_CODE_UNAVAILABLE, token->reason);
    if (token->err == ERR_UNKNOWN)
        return refuse(out, METRIC_HANDSHAKES_UNKNOWN_KEY, 401, ERROR_CODE_UNAUTHORIZED, token->reason);
    if (token->err != ERR_OK)
        return refuse(out, METRIC_HANDSHAKES_UNAUTHORIZED, 401, ERROR_CODE_UNAUTHORIZED, token->reason);
    if (!takes_clients(shared, out)) /* since it was checked */
        return false;
    if (revoked_find(shared->revoked, claims, NULL) != 0)
        return refuse(out, METRIC_HANDSHAKES_REVOKED, 401, ERROR_CODE_UNAUTHORIZED, "the token was revoked");
    struct room_key user = token_claims_user(claims);
    if (!count_connection(shared, &token->from, &user, out))
        return false;
    if (use_token(shared, claims, ret_use, out))
        return true;
    handshake_give_back(shared, &user, &token->from);
    return false;
}

bool handshake_admit(struct node_shared *shared, const struct handshake_token *token,
                     struct token_claims *claims, struct token_use *ret_use,
                     struct handshake_refusal *ret_refusal)
{
    struct outcome outcome;
    if (count(shared, token, claims, ret_use, &outcome))
        return true;
    if (token->err == ERR_OK)
        token_claims_release(claims);
    tell(&token->from, &outcome, ret_refusal);
    return false;
}

struct handshake_refusal handshake_bad_stream(const struct address *from, enum err err)
{
    struct handshake_refusal refusal;
    struct outcome outcome;
    if (err == ERR_NO_MEMORY)
        return handshake_overloaded(from);
    if (err == ERR_TOO_BIG)
        refuse(&outcome, METRIC_HANDSHAKES_BAD_REQUEST, 400, ERROR_CODE_ROOM_LIMIT,
               "chats names more than a stream may have: as many as limits.rooms, at most 128");
    else
        refuse(&outcome, METRIC_HANDSHAKES_BAD_REQUEST, 400, ERROR_CODE_BAD_REQUEST,
               "chats is a list of UUIDs with commas between, each perhaps with :<epoch>:<seq> behind");
    tell(from, &outcome, &refusal);
    return refusal;
}

struct handshake_refusal handshake_overloaded(const struct address *from)
{
    struct handshake_refusal refusal;
    struct outcome outcome;
    refuse(&outcome, METRIC_HANDSHAKES_OVERLOADED, 503, ERROR_CODE_OVERLOADED, NULL);
    tell(from, &outcome, &refusal);
    return refusal;
}

void handshake_give_back(struct node_shared *shared, const struct room_key *user, const struct address *from)
{
    door_give(shared->door, from);
    pthread_mutex_lock(&shared->quota_lock);
    user_quota_give(shared->quota, user);
    pthread_mutex_unlock(&shared->quota_lock);
    atomic_fetch_sub(&shared->connections, 1);
}
