#include <roomcast/wire/json_text.h>

#include <string.h>

/* The escape of a byte that may not stand in a JSON string (RFC 8259 section 7); "" when it may, NULL for the
 * control characters without a short form. */
static const char *short_escape(unsigned char byte)
{
    switch (byte) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\b':
        return "\\b";
    case '\f':
        return "\\f";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        return byte < 0x20 ? NULL : "";
    }
}

void json_append_string(struct buffer *out, struct slice text)
{
    size_t start = 0; /* of the run that needs no escape */

    buffer_append_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        const char *escape = short_escape(byte);
        if (escape && !*escape)
            continue;
        buffer_append(out, text.data + start, i - start);
        if (escape)
            buffer_append_text(out, escape);
        else
            buffer_appendf(out, "\\u%04x", byte);
        start = i + 1;
    }
    if (start < text.len)
        buffer_append(out, text.data + start, text.len - start);
    buffer_append_char(out, '"');
}

/* `at` stands behind an opening quote; returns the place of the closing one, or text.len. */
static size_t string_end(struct slice text, size_t at)
{
    while (at < text.len && text.data[at] != '"')
        at += text.data[at] == '\\' ? 2 : 1;
    return at < text.len ? at : text.len;
}

size_t json_depth(struct slice text, size_t limit)
{
    size_t depth = 0, deepest = 0;

    for (size_t i = 0; i < text.len; i++) {
        switch (text.data[i]) {
        case '"':
            i = string_end(text, i + 1);
            break;
        case '[':
        case '{':
            if (++depth > deepest)
                deepest = depth;
            if (deepest > limit)
                return limit + 1;
            break;
        case ']':
        case '}':
            if (depth > 0)
                depth--;
            break;
        }
    }
    return deepest;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_space(struct slice text, size_t at)
{
    while (at < text.len && is_space(text.data[at]))
        at++;
    return at;
}

static size_t skip_scalar(struct slice text, size_t at)
{
    while (at < text.len && !is_space(text.data[at]) && !strchr(",]}", text.data[at]))
        at++;
    return at;
}

/* Behind the array or object that opens at `at`. */
static size_t skip_nested(struct slice text, size_t at)
{
    size_t depth = 0;

    for (; at < text.len; at++) {
        char c = text.data[at];
        if (c == '"')
            at = string_end(text, at + 1);
        else if (c == '[' || c == '{')
            depth++;
        else if ((c == ']' || c == '}') && --depth == 0)
            return at + 1;
    }
    return text.len;
}

/* Behind the value that begins at `at`. */
static size_t skip_value(struct slice text, size_t at)
{
    if (at >= text.len)
        return text.len;
    if (text.data[at] == '"') {
        size_t end = string_end(text, at + 1);
        return end < text.len ? end + 1 : end;
    }
    if (text.data[at] == '[' || text.data[at] == '{')
        return skip_nested(text, at);
    return skip_scalar(text, at);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 0;
}

/* The UTF-16 unit whose four hex digits stand at `at`. */
static uint32_t utf16_unit(struct slice raw, size_t at)
{
    uint32_t unit = 0;

    for (size_t i = at; i < at + 4 && i < raw.len; i++)
        unit = unit << 4 | (uint32_t)hex_value(raw.data[i]);
    return unit;
}

/* `code` as UTF-8 into `out` (4 bytes); returns how many. */
static size_t utf8_encode(uint32_t code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (char)(leads[len] | code);
    return len;
}

/* Decodes the character or escape at raw[*at], moves past it, returns the bytes written to `out` (4). */
static size_t decode_one(struct slice raw, size_t *at, char *out)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *letter;

    if (raw.data[*at] != '\\' || *at + 1 >= raw.len) {
        out[0] = raw.data[(*at)++];
        return 1;
    }
    if (raw.data[*at + 1] != 'u') {
        letter = memchr(letters, raw.data[*at + 1], sizeof letters - 1);
        out[0] = letter ? meant[letter - letters] : raw.data[*at + 1];
        *at += 2;
        return 1;
    }
    uint32_t code = utf16_unit(raw, *at + 2);
    *at += 6;
    if (code >= 0xd800 && code < 0xdc00) { /* a surrogate pair: RFC 8259 section 7 */
        code = 0x10000 + ((code - 0xd800) << 10) + ((utf16_unit(raw, *at + 2) - 0xdc00) & 0x3ff);
        *at += 6;
    }
    return utf8_encode(code, out);
}

/* Is the string whose characters, still escaped, are `raw` spelled `name`? */
static bool name_is(struct slice raw, struct slice name)
{
    size_t at = 0, matched = 0;

    while (at < raw.len) {
        char decoded[4];
        size_t len = decode_one(raw, &at, decoded);
        if (len > name.len - matched || memcmp(name.data + matched, decoded, len) != 0)
            return false;
        matched += len;
    }
    return matched == name.len;
}

bool json_find_member(struct slice text, const char *name, struct slice *ret_value)
{
    size_t at = skip_space(text, 0);
    bool found = false;

    if (at >= text.len || text.data[at] != '{')
        return false;
    at = skip_space(text, at + 1);
    while (at < text.len && text.data[at] == '"') {
        size_t name_end = string_end(text, at + 1);
        struct slice raw = {text.data + at + 1, name_end - (at + 1)};
        at = skip_space(text, name_end + 1); /* the colon */
        at = skip_space(text, at + 1);
        size_t end = skip_value(text, at);
        if (at >= text.len)
            break;
        if (name_is(raw, slice_of(name))) {
            *ret_value = (struct slice){text.data + at, end - at};
            found = true;
        }
        at = skip_space(text, end);
        if (at < text.len && text.data[at] == ',')
            at = skip_space(text, at + 1);
        else
            break;
    }
    return found;
}
