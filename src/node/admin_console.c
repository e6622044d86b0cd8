#include "admin_console.h"

#include <stdio.h>
#include <string.h>

#include <roomcast/base/metrics.h>
#include <roomcast/base/text.h>
#include <roomcast/web/asset.h>
#include <roomcast/wire/json_text.h>
#include <roomcast/wire/revocation_request.h>

#include "console_http.h"
#include "node_internal.h"
#include "origin.h"
#include "web_file.h"

#define ROOT "/console"
#define API  ROOT "/api/"

/* Nothing but what comes from here, and nobody shows the page in a frame of his own (CSP Level 3). */
static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static void refuse_method(struct http_exchange *exchange, bool may_post)
{
    console_answer_error_with(exchange, 405, ERROR_CODE_METHOD_NOT_ALLOWED, may_post ? "use POST" : "use GET",
                              "Allow", may_post ? "POST" : "GET, HEAD");
}

static bool take(struct slice *text, const char *start)
{
    size_t len = strlen(start);
    if (text->len < len || memcmp(text->data, start, len) != 0)
        return false;
    *text = (struct slice){text->data + len, text->len - len};
    return true;
}

/* --- files --- */

static void answer_file(struct http_exchange *exchange, const struct web_asset *asset)
{
    bool is_packed = web_file_takes_gzip(http_header(exchange, "Accept-Encoding"));
    const struct http_field fields[] = {
        {"Content-Security-Policy", policy}, {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},  {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Vary", "Accept-Encoding"},         {"Content-Encoding", "gzip"},
    };
    http_answer_with(exchange, 200, asset->content_type, is_packed ? asset->gzip : asset->bytes, fields,
                     is_packed ? 6 : 5);
}

/* --- who may ask --- */

/* False, and answered or to be answered. */
static bool authorize(struct node *node, struct http_exchange *exchange)
{
    static const struct config_list own = {.count = 0};
    const struct config *config = node->shared.config;
    if (config->admin_key[0] == '\0') {
        console_answer_error(
            exchange, 403, ERROR_CODE_FORBIDDEN,
            "inspection and actions are off: set admin.key (or admin.key_file) on this node");
        return false;
    }
    if (!origin_allowed(&own, http_header(exchange, "Origin"), http_header(exchange, "Host"))) {
        metrics_inc(METRIC_CONSOLE_REFUSED);
        console_answer_error(exchange, 403, ERROR_CODE_ORIGIN_NOT_ALLOWED,
                             "only this node's own page may ask");
        return false;
    }
    if (http_bears(exchange, config->admin_key))
        return true;
    console_refuse(node->console, exchange);
    return false;
}

/* --- what is asked --- */

static void answer_access(struct node *node, struct http_exchange *exchange)
{
    struct buffer body;
    buffer_init(&body, 4096);
    buffer_appendf(&body, "{\"success\":true,\"inspection\":%s,\"instance\":",
                   node->shared.config->admin_key[0] != '\0' ? "true" : "false");
    json_append_string(&body, slice_of(node->shared.instance));
    buffer_append_char(&body, '}');
    console_answer(exchange, 200, buffer_slice(&body));
    buffer_fini(&body);
}

/* For the audit log. */
static void name_revocation(const struct revocation *revocation, char *text, size_t size)
{
    char chat[UUID_TEXT_SIZE];
    uuid_format(&revocation->chat, chat);
    snprintf(text, size, "%s %.*s%s%s", revocation->kind == REVOCATION_TOKEN ? "token" : "user",
             (int)revocation->id_len, revocation->id,
             revocation->kind == REVOCATION_USER_IN_CHAT ? " in chat " : "",
             revocation->kind == REVOCATION_USER_IN_CHAT ? chat : "");
}

static void revoke(struct node *node, struct http_exchange *exchange)
{
    struct revocation revocation;
    char reason[192], whom[USER_ID_MAX + 64];
    struct slice body = http_body(exchange);
    if (revocation_request_parse(body, &revocation, reason) != ERR_OK) {
        console_answer_error(exchange, 400, ERROR_CODE_INVALID_EVENT, reason);
        return;
    }
    name_revocation(&revocation, whom, sizeof whom);
    const struct console_question question = {
        .kind = CONSOLE_REVOKE,
        .to = CONSOLE_TO_RELAY,
        .body = body,
        .action = "revoke",
        .whom = slice_of(whom),
    };
    console_ask(node->console, exchange, &question);
}

static const struct console_route {
    const char *path; /* of an own segment: what follows is what it is about */
    bool has_about;
    enum console_kind kind;
    enum console_to to;
    const char *action; /* POST; NULL: GET */
} routes[] = {
    {"live", false, CONSOLE_LIVE, CONSOLE_TO_NODES, NULL},
    {"room/", true, CONSOLE_ROOM, CONSOLE_TO_NODES, NULL},
    {"user/", true, CONSOLE_USER, CONSOLE_TO_NODES, NULL},
    {"letters/", true, CONSOLE_LETTERS, CONSOLE_TO_RELAY, NULL},
    {"letters", false, CONSOLE_LETTERS, CONSOLE_TO_RELAY, NULL},
    {"letter/", true, CONSOLE_LETTER, CONSOLE_TO_RELAY, NULL},
    {"disconnect/", true, CONSOLE_DISCONNECT, CONSOLE_TO_NODES, "disconnect"},
    {"drain/", true, CONSOLE_DRAIN, CONSOLE_TO_PROCESS, "drain"},
    {"replay/", true, CONSOLE_REPLAY, CONSOLE_TO_RELAY, "replay"},
    {"revoke", false, CONSOLE_REVOKE, CONSOLE_TO_RELAY, "revoke"},
};

static const struct console_route *find_route(struct slice path, struct slice *ret_about)
{
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        struct slice rest = path;
        if (take(&rest, routes[i].path) && (rest.len > 0) == routes[i].has_about) {
            *ret_about = rest;
            return &routes[i];
        }
    }
    return NULL;
}

static void ask(struct node *node, struct http_exchange *exchange, const struct console_route *route,
                struct slice about)
{
    const struct console_question question = {
        .kind = route->kind,
        .to = route->to,
        .about = about,
        .action = route->action,
        .whom = about,
    };
    if (about.len > CONSOLE_ABOUT_MAX)
        console_answer_error(exchange, 400, ERROR_CODE_BAD_REQUEST, "the id is longer than any");
    else if (!text_is_plain(about))
        console_answer_error(exchange, 400, ERROR_CODE_BAD_REQUEST,
                             "the id is not UTF-8, or holds control characters");
    else if (route->kind == CONSOLE_REVOKE)
        revoke(node, exchange);
    else
        console_ask(node->console, exchange, &question);
}

static bool is_reading(struct slice method)
{
    return slice_equal(method, SLICE_LITERAL("GET")) || slice_equal(method, SLICE_LITERAL("HEAD"));
}

static void handle_api(struct node *node, struct http_exchange *exchange, struct slice path)
{
    struct slice about, method = http_method(exchange);
    const struct console_route *route = find_route(path, &about);
    bool is_access = slice_equal(path, SLICE_LITERAL("access")), may_post = route && route->action;
    if (!route && !is_access)
        console_answer_error(exchange, 404, ERROR_CODE_NOT_FOUND, NULL);
    else if (may_post ? !slice_equal(method, SLICE_LITERAL("POST")) : !is_reading(method))
        refuse_method(exchange, may_post);
    else if (is_access)
        answer_access(node, exchange);
    else if (authorize(node, exchange))
        ask(node, exchange, route, about);
}

bool admin_console_handle(struct node *node, struct http_exchange *exchange)
{
    struct slice path = http_path(exchange);
    bool is_root = slice_equal(path, SLICE_LITERAL(ROOT "/"));
    const struct web_asset *asset = web_asset_find(WEB_ADMIN, is_root ? SLICE_LITERAL(ROOT) : path);
    bool reads = is_reading(http_method(exchange));
    if (asset && reads)
        answer_file(exchange, asset);
    else if (take(&path, API))
        handle_api(node, exchange, path);
    else
        return false;
    return true;
}
