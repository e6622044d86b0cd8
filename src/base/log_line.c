#include "log_line.h"

#include <inttypes.h>
#include <stdio.h>

#include <roomcast/base/text.h>

#define TAIL_MAX 24 /* bytes kept free for `,"truncated":true}` and the newline */

/* False, and nothing appended, when it does not fit. */
static bool put(struct log_line *line, const char *bytes, size_t len)
{
    if (len > LOG_LINE_MAX - TAIL_MAX - line->len)
        return false;
    memcpy(line->bytes + line->len, bytes, len);
    line->len += len;
    return true;
}

static bool put_text(struct log_line *line, const char *text)
{
    return put(line, text, strlen(text));
}

static bool needs_quotes(struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (c <= ' ' || c >= 0x7F || c == '"' || c == '\\' || c == '=')
            return true;
    }
    return value.len == 0;
}

static bool put_value(struct log_line *line, struct slice value)
{
    bool quotes = line->format == LOG_JSON || needs_quotes(value);
    size_t room = LOG_VALUE_MAX;
    char unit[TEXT_UNIT_SIZE];

    if (quotes && !put(line, "\"", 1))
        return false;
    while (value.len > 0) {
        size_t taken = text_escape(value, unit);
        size_t len = strlen(unit);
        if (len > room)
            break;
        if (!put(line, unit, len))
            return false;
        room -= len;
        value.data += taken;
        value.len -= taken;
    }
    return !quotes || put(line, "\"", 1);
}

static bool put_field(struct log_line *line, const struct log_field *field)
{
    bool json = line->format == LOG_JSON;
    char number[24];

    if (!put_text(line, json ? (line->len > 1 ? ",\"" : "\"") : (line->len > 0 ? " " : "")) ||
        !put_text(line, field->name) || !put_text(line, json ? "\":" : "="))
        return false;
    switch (field->kind) {
    case LOG_FIELD_SLICE:
        return put_value(line, field->slice);
    case LOG_FIELD_U64:
        snprintf(number, sizeof number, "%" PRIu64, field->u64);
        return put_text(line, number);
    case LOG_FIELD_I64:
        snprintf(number, sizeof number, "%" PRId64, field->i64);
        return put_text(line, number);
    case LOG_FIELD_BOOL:
        return put_text(line, field->boolean ? "true" : "false");
    }
    return false;
}

void log_line_begin(struct log_line *line, enum log_format format)
{
    line->format = format;
    line->truncated = false;
    line->len = 0;
    if (format == LOG_JSON)
        line->bytes[line->len++] = '{';
}

void log_line_add(struct log_line *line, const struct log_field *field)
{
    size_t before = line->len;

    if (!put_field(line, field)) {
        line->len = before;
        line->truncated = true;
    }
}

void log_line_end(struct log_line *line)
{
    const char *tail = line->format == LOG_JSON ? (line->truncated ? ",\"truncated\":true}\n" : "}\n")
                                                : (line->truncated ? " truncated=true\n" : "\n");
    size_t len = strlen(tail);

    _Static_assert(sizeof ",\"truncated\":true}\n" <= TAIL_MAX, "the tail must fit the bytes kept for it");
    memcpy(line->bytes + line->len, tail, len);
    line->len += len;
}
