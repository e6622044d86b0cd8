#include "log_line.h"

#include <inttypes.h>
#include <stdio.h>

#define TAIL_MAX 24             /* bytes kept free for `,"truncated":true}` and the newline */
#define UNIT_MAX 8              /* bytes of the longest escaped character, "\uXXXX", and NUL */
#define BAD_UTF8 "\xEF\xBF\xBD" /* U+FFFD */

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

static bool continues(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

/* Length in bytes of the well-formed UTF-8 character at the start of `text` and its code point; 0 when there
 * is none (RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF). */
static size_t decode(struct slice text, uint32_t *ret_point)
{
    const unsigned char *at = (const unsigned char *)text.data;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = at[0] < 0x80         ? 1
                 : at[0] >> 5 == 0x6  ? 2
                 : at[0] >> 4 == 0xE  ? 3
                 : at[0] >> 3 == 0x1E ? 4
                                      : 0;

    if (len == 0 || len > text.len)
        return 0;
    uint32_t point = len == 1 ? at[0] : at[0] & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++) {
        if (!continues(at[i]))
            return 0;
        point = point << 6 | (at[i] & 0x3F);
    }
    if (point < least[len] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
        return 0;
    *ret_point = point;
    return len;
}

/* C0, DEL and C1 steer terminals; U+2028 and U+2029 are line ends to some readers of logs. */
static bool steers(uint32_t point)
{
    return point < 0x20 || (point >= 0x7F && point <= 0x9F) || point == 0x2028 || point == 0x2029;
}

/* Writes the first character of `text` in its safe form to `unit`; returns the bytes of `text` it stands for.
 */
static size_t escape(struct slice text, char unit[UNIT_MAX])
{
    uint32_t point = 0;
    size_t taken = decode(text, &point);

    if (taken == 0) {
        snprintf(unit, UNIT_MAX, "%s", BAD_UTF8);
        return 1;
    }
    if (point == '\n' || point == '\r' || point == '\t')
        snprintf(unit, UNIT_MAX, "\\%c", point == '\n' ? 'n' : point == '\r' ? 'r' : 't');
    else if (point == '"' || point == '\\')
        snprintf(unit, UNIT_MAX, "\\%c", (char)point);
    else if (steers(point))
        snprintf(unit, UNIT_MAX, "\\u%04x", (unsigned)(point & 0xFFFF));
    else
        *(char *)mempcpy(unit, text.data, taken) = '\0';
    return taken;
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
    char unit[UNIT_MAX];

    if (quotes && !put(line, "\"", 1))
        return false;
    while (value.len > 0) {
        size_t taken = escape(value, unit);
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
