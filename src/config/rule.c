#include "rule.h"

#include <inttypes.h>

#include "pattern.h"
#include "value.h"

static void append_choices(const struct option *option, struct buffer *out)
{
    for (const char *c = option->unit; *c; c++) {
        if (*c == '|')
            buffer_append_text(out, ", ");
        else
            buffer_append_char(out, *c);
    }
}

static void rule_of_length(const struct option *option, struct buffer *out)
{
    const char *pattern = pattern_text(option->key);

    if (option->min > 0)
        buffer_appendf(out, "must be %" PRIu64 " to %" PRIu64 " bytes", option->min, option->max);
    else
        buffer_appendf(out, "must be at most %" PRIu64 " bytes", option->max);
    if (pattern)
        buffer_append_text(out, pattern);
    else if (option->type != OPTION_SECRET)
        buffer_append_text(out, " without control characters");
}

static void append_thousandths(uint64_t value, struct buffer *out)
{
    unsigned fraction = (unsigned)(value % 1000), places = 3;

    buffer_appendf(out, "%" PRIu64, value / 1000);
    if (fraction == 0)
        return;
    for (; fraction % 10 == 0; fraction /= 10)
        places--;
    buffer_appendf(out, ".%0*u", (int)places, fraction);
}

static void append_decimal_range(const struct option *option, struct buffer *out)
{
    append_thousandths(option->min, out);
    buffer_append_text(out, " to ");
    append_thousandths(option->max, out);
}

void rule_text(const struct option *option, struct buffer *out)
{
    switch (option->type) {
    case OPTION_TEXT:
    case OPTION_SECRET:
    case OPTION_PATH:
        rule_of_length(option, out);
        break;
    case OPTION_ADDRESS:
        buffer_append_text(
            out, "must be host:port or [IPv6 address]:port, the port from 0 (any free one) to 65535");
        break;
    case OPTION_INT:
        buffer_appendf(out, "must be a whole number from %" PRIu64 " to %" PRIu64 " (%s)", option->min,
                       option->max, option->unit);
        break;
    case OPTION_DECIMAL:
        buffer_append_text(out, "must be a number from ");
        append_decimal_range(option, out);
        buffer_append_text(out, " with at most three digits behind the point");
        break;
    case OPTION_BOOL:
        buffer_append_text(out, "must be true or false");
        break;
    case OPTION_CHOICE:
        buffer_append_text(out, "must be one of ");
        append_choices(option, out);
        break;
    case OPTION_LIST:
        buffer_appendf(out, "must be a comma-separated list of %s %d elements of 1 to %" PRIu64 " bytes",
                       option->min > 0 ? "1 to" : "at most", LIST_ITEMS_MAX, option->max);
        break;
    }
}

static void range_of_length(const struct option *option, const char *of, struct buffer *out)
{
    if (option->min > 0)
        buffer_appendf(out, "%s%" PRIu64 " to %" PRIu64 " bytes", of, option->min, option->max);
    else
        buffer_appendf(out, "%sat most %" PRIu64 " bytes", of, option->max);
}

void rule_range(const struct option *option, struct buffer *out)
{
    switch (option->type) {
    case OPTION_TEXT:
    case OPTION_SECRET:
        range_of_length(option, "", out);
        break;
    case OPTION_PATH:
        buffer_append_text(out, "path");
        break;
    case OPTION_ADDRESS:
        buffer_append_text(out, "host:port");
        break;
    case OPTION_INT:
        buffer_appendf(out, "%" PRIu64 " to %" PRIu64 " %s", option->min, option->max, option->unit);
        break;
    case OPTION_DECIMAL:
        append_decimal_range(option, out);
        break;
    case OPTION_BOOL:
        buffer_append_text(out, "true, false");
        break;
    case OPTION_CHOICE:
        append_choices(option, out);
        break;
    case OPTION_LIST:
        range_of_length(option, "list, each ", out);
        break;
    }
}
