#include "ws_head.h"

#include <string.h>
#include <strings.h>

#include "ws_upgrade.h"

enum field {
    FIELD_HOST,
    FIELD_ORIGIN,
    FIELD_AUTHORIZATION,
    FIELD_USER_AGENT,
    FIELD_UPGRADE,
    FIELD_CONNECTION,
    FIELD_VERSION,
    FIELD_KEY,
    FIELD_SUBPROTOCOLS,
    FIELD_EXTENSIONS,
    FIELD_CONTENT_LENGTH,
    FIELD_TRANSFER_ENCODING,
    FIELD_FORWARDED_FOR,
    FIELD_ACCEPT_ENCODING,
    FIELD_IF_NONE_MATCH,
    FIELD_LAST_EVENT_ID,
    FIELD_COUNT
};

#define NAMED(text)                                                                                          \
    {                                                                                                        \
        text, text " came more than once"                                                                    \
    }
static const struct {
    const char *name, *repeated;
} fields[FIELD_COUNT] = {
    [FIELD_HOST] = NAMED("Host"),
    [FIELD_ORIGIN] = NAMED("Origin"),
    [FIELD_AUTHORIZATION] = NAMED("Authorization"),
    [FIELD_USER_AGENT] = NAMED("User-Agent"),
    [FIELD_UPGRADE] = NAMED("Upgrade"),
    [FIELD_CONNECTION] = NAMED("Connection"),
    [FIELD_VERSION] = NAMED("Sec-WebSocket-Version"),
    [FIELD_KEY] = NAMED("Sec-WebSocket-Key"),
    [FIELD_SUBPROTOCOLS] = NAMED("Sec-WebSocket-Protocol"),
    [FIELD_EXTENSIONS] = NAMED("Sec-WebSocket-Extensions"),
    [FIELD_CONTENT_LENGTH] = NAMED("Content-Length"),
    [FIELD_TRANSFER_ENCODING] = NAMED("Transfer-Encoding"),
    [FIELD_FORWARDED_FOR] = NAMED("X-Forwarded-For"),
    [FIELD_ACCEPT_ENCODING] = NAMED("Accept-Encoding"),
    [FIELD_IF_NONE_MATCH] = NAMED("If-None-Match"),
    [FIELD_LAST_EVENT_ID] = NAMED("Last-Event-ID"),
};

struct parse {
    char *at, *end;        /* what is left */
    struct buffer *joined; /* the subprotocols, when they came on several lines */
    struct slice values[FIELD_COUNT];
    bool seen[FIELD_COUNT];
    bool upgrade_websocket, connection_upgrade; /* the lists name it */
    struct ws_deflate_offer deflate;
    struct slice forwarded_for[WS_FORWARDED_MAX];
    size_t forwarded_for_count;
    const char *repeated;
    struct ws_head_problem *problem;
};

static bool bad(struct parse *parse, const char *reason)
{
    *parse->problem = (struct ws_head_problem){400, "BAD_REQUEST", reason, 0};
    return false;
}

bool ws_head_is_token_char(char c)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return alphanumeric || (c != '\0' && strchr(others, c));
}

static bool is_token(struct slice text)
{
    for (size_t at = 0; at < text.len; at++) {
        if (!ws_head_is_token_char(text.data[at]))
            return false;
    }
    return text.len > 0;
}

static bool is_field_value(struct slice text)
{
    for (size_t at = 0; at < text.len; at++) {
        unsigned char c = (unsigned char)text.data[at];
        if ((c < 0x20 && c != '\t') || c == 0x7F)
            return false;
    }
    return true;
}

static bool is_target(struct slice text)
{
    for (size_t at = 0; at < text.len; at++) {
        unsigned char c = (unsigned char)text.data[at];
        if (c <= 0x20 || c >= 0x7F || c == '#')
            return false;
    }
    return text.len > 0;
}

size_t ws_head_find_end(struct slice bytes, size_t *scanned)
{
    /* Lines end in CRLF; one that ends in a bare LF is refused by the parser. */
    while (*scanned < bytes.len) {
        const char *lf = memchr(bytes.data + *scanned, '\n', bytes.len - *scanned);
        if (!lf) {
            *scanned = bytes.len;
            return 0;
        }
        size_t at = (size_t)(lf - bytes.data);
        *scanned = at + 1;
        bool empty_line = at >= 3 && memcmp(lf - 3, "\r\n\r", 3) == 0;
        bool bare = at >= 1 && lf[-1] == '\n';
        if (empty_line || bare)
            return at + 1;
    }
    return 0;
}

static bool take_line(struct parse *parse, struct slice *ret_line)
{
    char *lf = memchr(parse->at, '\n', (size_t)(parse->end - parse->at));
    if (!lf || lf == parse->at || lf[-1] != '\r')
        return bad(parse, "a line does not end in CR LF");
    *ret_line = (struct slice){parse->at, (size_t)(lf - 1 - parse->at)};
    parse->at = lf + 1;
    return true;
}

static bool split(struct slice text, char separator, struct slice *ret_before, struct slice *ret_after)
{
    const char *found = memchr(text.data, separator, text.len);
    if (!found)
        return false;
    size_t len = (size_t)(found - text.data);
    *ret_before = (struct slice){text.data, len};
    *ret_after = (struct slice){found + 1, text.len - len - 1};
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes in place, where the text can only become shorter. What is no proper escape stays as it is. */
static struct slice percent_decode(char *text, size_t len)
{
    size_t to = 0;
    for (size_t from = 0; from < len; from++) {
        int high = text[from] == '%' && len - from > 2 ? hex_digit(text[from + 1]) : -1;
        int low = high >= 0 ? hex_digit(text[from + 2]) : -1;
        if (low >= 0) {
            text[to++] = (char)(high << 4 | low);
            from += 2;
        } else {
            text[to++] = text[from];
        }
    }
    return (struct slice){text, to};
}

/* What stands around the token stays as it came, and is kept without it: a decoded one may hold any signs. */
static void take_query(struct slice query, struct ws_request *request)
{
    struct slice left = query, pair, rest = {NULL, 0};
    request->query[0] = query;
    while (left.len > 0) {
        if (!split(left, '&', &pair, &rest)) {
            pair = left;
            rest.len = 0;
        }
        if (pair.len >= 6 && memcmp(pair.data, "token=", 6) == 0) {
            request->query[0].len = (size_t)(pair.data - query.data);
            request->query[1] = rest;
            request->query_token = percent_decode((char *)pair.data + 6, pair.len - 6); /* the caller's own */
            return;
        }
        left = rest;
    }
}

/* RFC 9112 section 3.2.2: a server takes the absolute form too. */
static struct slice without_authority(struct slice target)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t at = 0; at < sizeof schemes / sizeof schemes[0]; at++) {
        size_t len = strlen(schemes[at]);
        if (target.len < len || strncasecmp(target.data, schemes[at], len) != 0)
            continue;
        while (len < target.len && target.data[len] != '/' && target.data[len] != '?')
            len++;
        return (struct slice){target.data + len, target.len - len};
    }
    return target;
}

static bool parse_version(struct parse *parse, struct slice version, bool *ret_http_1_1)
{
    bool form = version.len == 8 && memcmp(version.data, "HTTP/", 5) == 0 && version.data[6] == '.';
    if (!form || version.data[7] < '0' || version.data[7] > '9')
        return bad(parse, "the request line is malformed");
    if (version.data[5] != '1') {
        *parse->problem =
            (struct ws_head_problem){505, "HTTP_VERSION_NOT_SUPPORTED", "HTTP/1.1 is spoken here", 0};
        return false;
    }
    *ret_http_1_1 = version.data[7] != '0';
    return true;
}

static bool parse_request_line(struct parse *parse, struct ws_request *request, bool *ret_http_1_1)
{
    struct slice line, rest, target, version;
    if (!take_line(parse, &line))
        return false;
    if (line.len == 0 && !take_line(parse, &line)) /* RFC 9112 section 2.2: one empty line may come before */
        return false;
    if (!split(line, ' ', &request->method, &rest) || !split(rest, ' ', &target, &version) ||
        !is_token(request->method) || !is_target(target))
        return bad(parse, "the request line is malformed");
    if (!parse_version(parse, version, ret_http_1_1))
        return false;
    target = without_authority(target);
    struct slice query = {NULL, 0};
    if (!split(target, '?', &request->path, &query))
        request->path = target;
    take_query(query, request);
    return true;
}

/* "a" on one line and "b" on a later one are the list "a, b" (RFC 9110 section 5.3). */
static bool join_subprotocols(struct parse *parse, struct slice more)
{
    if (parse->joined->len == 0)
        buffer_append_slice(parse->joined, parse->values[FIELD_SUBPROTOCOLS]);
    buffer_append_text(parse->joined, ", ");
    buffer_append_slice(parse->joined, more);
    if (buffer_failed(parse->joined)) {
        *parse->problem = (struct ws_head_problem){431, "HEADERS_TOO_LARGE", "the headers are too long", 0};
        return false;
    }
    parse->values[FIELD_SUBPROTOCOLS] = buffer_slice(parse->joined);
    return true;
}

/* Whether a comma-separated list names `word`, in any case. */
static bool lists(struct slice list, const char *word)
{
    while (list.len > 0) {
        struct slice item = list, rest = {NULL, 0};
        split(list, ',', &item, &rest);
        item = slice_trim(item);
        if (item.len == strlen(word) && strncasecmp(item.data, word, item.len) == 0)
            return true;
        list = rest;
    }
    return false;
}

/* Proxies append, on the same line or on one of their own: what comes last is worth most. */
static void take_forwarded_for(struct parse *parse, struct slice value)
{
    if (parse->forwarded_for_count == WS_FORWARDED_MAX) {
        memmove(parse->forwarded_for, parse->forwarded_for + 1,
                (WS_FORWARDED_MAX - 1) * sizeof parse->forwarded_for[0]);
        parse->forwarded_for_count--;
    }
    parse->forwarded_for[parse->forwarded_for_count++] = value;
}

static bool take_field(struct parse *parse, enum field field, struct slice value)
{
    bool again = parse->seen[field];
    parse->seen[field] = true;
    switch (field) {
    case FIELD_UPGRADE:
        parse->upgrade_websocket |= lists(value, "websocket");
        return true;
    case FIELD_CONNECTION:
        parse->connection_upgrade |= lists(value, "upgrade");
        return true;
    case FIELD_SUBPROTOCOLS:
        if (again)
            return join_subprotocols(parse, value);
        break;
    case FIELD_EXTENSIONS: /* on several lines they are one list, tried in order */
        ws_extension_find_deflate(value, &parse->deflate);
        return true;
    case FIELD_FORWARDED_FOR:
        take_forwarded_for(parse, value);
        return true;
    case FIELD_USER_AGENT:
    case FIELD_TRANSFER_ENCODING:
    case FIELD_ACCEPT_ENCODING:
    case FIELD_IF_NONE_MATCH:
        break;
    default: /* what may come once only: two values could be read in two ways */
        if (again)
            parse->repeated = fields[field].repeated;
    }
    parse->values[field] = value;
    return true;
}

static bool take_named(struct parse *parse, struct slice name, struct slice value)
{
    for (enum field field = 0; field < FIELD_COUNT; field++) {
        if (strlen(fields[field].name) == name.len &&
            strncasecmp(fields[field].name, name.data, name.len) == 0)
            return take_field(parse, field, value);
    }
    return true;
}

static bool parse_fields(struct parse *parse)
{
    for (unsigned count = 0;; count++) {
        struct slice line, name, value;
        if (!take_line(parse, &line))
            return false;
        if (line.len == 0)
            return true;
        if (count == WS_HEAD_FIELDS_MAX) {
            *parse->problem =
                (struct ws_head_problem){431, "HEADERS_TOO_LARGE", "there are too many headers", 0};
            return false;
        }
        if (line.data[0] == ' ' || line.data[0] == '\t')
            return bad(parse, "a header is folded over two lines");
        if (!split(line, ':', &name, &value) || !is_token(name))
            return bad(parse, "a header has no proper name");
        if (!is_field_value(value))
            return bad(parse, "a header has control characters in it");
        if (!take_named(parse, name, slice_trim(value)))
            return false;
    }
}

bool ws_head_parse(char *bytes, size_t len, struct buffer *joined, struct ws_head *ret_head,
                   struct ws_head_problem *ret_problem)
{
    struct parse parse = {.at = bytes, .end = bytes + len, .joined = joined, .problem = ret_problem};
    struct ws_head head = {0};
    bool http_1_1;
    if (!parse_request_line(&parse, &head.request, &http_1_1) || !parse_fields(&parse))
        return false;
    head.request.host = parse.values[FIELD_HOST];
    head.request.origin = parse.values[FIELD_ORIGIN];
    head.request.authorization = parse.values[FIELD_AUTHORIZATION];
    head.request.user_agent = parse.values[FIELD_USER_AGENT];
    head.request.last_event_id = parse.values[FIELD_LAST_EVENT_ID];
    head.request.subprotocols = parse.values[FIELD_SUBPROTOCOLS];
    head.request.accept_encoding = parse.values[FIELD_ACCEPT_ENCODING];
    head.request.if_none_match = parse.values[FIELD_IF_NONE_MATCH];
    memcpy(head.request.forwarded_for, parse.forwarded_for, sizeof parse.forwarded_for);
    head.request.forwarded_for_count = parse.forwarded_for_count;
    head.key = parse.values[FIELD_KEY];
    head.deflate = parse.deflate;
    bool has_length = parse.seen[FIELD_CONTENT_LENGTH] &&
                      !slice_equal(parse.values[FIELD_CONTENT_LENGTH], SLICE_LITERAL("0"));
    const struct ws_upgrade upgrade = {
        .method = head.request.method,
        .host = head.request.host,
        .has_upgrade = parse.seen[FIELD_UPGRADE],
        .upgrade_websocket = parse.upgrade_websocket,
        .connection_upgrade = parse.connection_upgrade,
        .version = parse.values[FIELD_VERSION],
        .key = head.key,
        .http_1_1 = http_1_1,
        .has_body = has_length || parse.seen[FIELD_TRANSFER_ENCODING],
        .repeated = parse.repeated,
    };
    ws_upgrade_judge(&upgrade, &head);
    *ret_head = head;
    return true;
}

struct ws_head_problem ws_head_too_long(struct slice bytes)
{
    if (!memchr(bytes.data, '\n', bytes.len))
        return (struct ws_head_problem){414, "URI_TOO_LONG", "the request line is too long", 0};
    return (struct ws_head_problem){431, "HEADERS_TOO_LARGE", "the headers are too long", 0};
}
