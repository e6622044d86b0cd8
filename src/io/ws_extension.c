#include "ws_extension.h"

#include <string.h>

#include <roomcast/io/deflate.h>

#include "ws_head.h"

#define STRINGIFY_(value) #value
#define STRINGIFY(value)  STRINGIFY_(value)

struct scan {
    const char *at, *end;
};

struct parameter {
    struct slice name, value;
    bool has_value;
};

enum { SERVER_NO_TAKEOVER, CLIENT_NO_TAKEOVER, SERVER_WINDOW, CLIENT_WINDOW };

static void skip_spaces(struct scan *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\t'))
        scan->at++;
}

/* The next sign, spaces aside, is this one: takes it. */
static bool take(struct scan *scan, char sign)
{
    skip_spaces(scan);
    if (scan->at == scan->end || *scan->at != sign)
        return false;
    scan->at++;
    return true;
}

static bool take_token(struct scan *scan, struct slice *ret_token)
{
    skip_spaces(scan);
    const char *start = scan->at;
    while (scan->at < scan->end && ws_head_is_token_char(*scan->at))
        scan->at++;
    *ret_token = (struct slice){start, (size_t)(scan->at - start)};
    return ret_token->len > 0;
}

/* What is between the quotes, escapes as they came: none is needed in anything that is understood here. */
static bool take_quoted(struct scan *scan, struct slice *ret_text)
{
    if (!take(scan, '"'))
        return false;
    const char *start = scan->at;
    while (scan->at < scan->end && *scan->at != '"')
        scan->at += *scan->at == '\\' && scan->end - scan->at > 1 ? 2 : 1;
    *ret_text = (struct slice){start, (size_t)(scan->at - start)};
    return take(scan, '"');
}

static bool take_parameter(struct scan *scan, struct parameter *ret_parameter)
{
    struct parameter parameter = {.has_value = false};
    if (!take_token(scan, &parameter.name))
        return false;
    if (take(scan, '=')) {
        parameter.has_value = true;
        if (!take_token(scan, &parameter.value) && !take_quoted(scan, &parameter.value))
            return false;
    }
    *ret_parameter = parameter;
    return true;
}

/* 8 to 15 without leading zeros (RFC 7692 section 7.1.2); 0 for anything else. */
static unsigned window_bits(struct slice value)
{
    if (value.len == 1 && (value.data[0] == '8' || value.data[0] == '9'))
        return (unsigned)(value.data[0] - '0');
    if (value.len == 2 && value.data[0] == '1' && value.data[1] >= '0' && value.data[1] <= '5')
        return 10 + (unsigned)(value.data[1] - '0');
    return 0;
}

/* Can the parameter be met? `seen`: those that came before it in the same offer. */
static bool meet(const struct parameter *parameter, unsigned *seen, struct ws_deflate_offer *offer)
{
    static const char *const names[] = {
        [SERVER_NO_TAKEOVER] = "server_no_context_takeover",
        [CLIENT_NO_TAKEOVER] = "client_no_context_takeover",
        [SERVER_WINDOW] = "server_max_window_bits",
        [CLIENT_WINDOW] = "client_max_window_bits",
    };
    unsigned which = 0;
    while (which < sizeof names / sizeof names[0] && !slice_equal(slice_of(names[which]), parameter->name))
        which++;
    if (*seen & 1u << which)
        return false;
    *seen |= 1u << which;
    switch (which) {
    case SERVER_NO_TAKEOVER:
    case CLIENT_NO_TAKEOVER:
        return !parameter->has_value;
    case SERVER_WINDOW:
        offer->names_window = true;
        return window_bits(parameter->value) >= DEFLATE_WINDOW_BITS;
    case CLIENT_WINDOW: /* a client may have any window: 15 is what an answer without it means */
        return !parameter->has_value || window_bits(parameter->value) != 0;
    default:
        return false;
    }
}

/* Reads one element of the list to its end. False: it is malformed, and where the next begins is not known.
 */
static bool take_extension(struct scan *scan, struct ws_deflate_offer *ret_offer)
{
    struct slice name;
    struct parameter parameter;
    unsigned seen = 0;
    if (!take_token(scan, &name))
        return false;
    struct ws_deflate_offer offer = {.acceptable = slice_equal(name, SLICE_LITERAL("permessage-deflate"))};
    while (take(scan, ';')) {
        if (!take_parameter(scan, &parameter))
            return false;
        offer.acceptable = offer.acceptable && meet(&parameter, &seen, &offer);
    }
    skip_spaces(scan);
    if (scan->at < scan->end && *scan->at != ',')
        return false;
    *ret_offer = offer;
    return true;
}

void ws_extension_find_deflate(struct slice list, struct ws_deflate_offer *offer)
{
    struct scan scan = {list.data, list.data + list.len};
    while (!offer->acceptable) {
        while (take(&scan, ','))
            continue;
        if (scan.at == scan.end || !take_extension(&scan, offer))
            return;
    }
}

const char *ws_extension_answer(const struct ws_deflate_offer *offer)
{
#define ANSWER "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    return offer->names_window ? ANSWER "; server_max_window_bits=" STRINGIFY(DEFLATE_WINDOW_BITS) : ANSWER;
#undef ANSWER
}
