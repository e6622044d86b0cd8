#include <roomcast/base/text.h>

#include <stdio.h>

#define BAD_UTF8 "\xEF\xBF\xBD" /* U+FFFD */

static bool continues(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

/* Bytes of the character that begins with `first`; 0 when none does. */
static size_t announced_len(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first >> 5 == 0x6)
        return 2;
    if (first >> 4 == 0xE)
        return 3;
    return first >> 3 == 0x1E ? 4 : 0;
}

size_t text_decode(struct slice text, uint32_t *ret_point)
{
    const unsigned char *at = (const unsigned char *)text.data;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = announced_len(at[0]);

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

size_t text_escape(struct slice text, char unit[TEXT_UNIT_SIZE])
{
    uint32_t point = 0;
    size_t taken = text_decode(text, &point);

    if (taken == 0) {
        snprintf(unit, TEXT_UNIT_SIZE, "%s", BAD_UTF8);
        return 1;
    }
    if (point == '\n' || point == '\r' || point == '\t')
        snprintf(unit, TEXT_UNIT_SIZE, "\\%c", point == '\n' ? 'n' : point == '\r' ? 'r' : 't');
    else if (point == '"' || point == '\\')
        snprintf(unit, TEXT_UNIT_SIZE, "\\%c", (char)point);
    else if (steers(point))
        snprintf(unit, TEXT_UNIT_SIZE, "\\u%04x", (unsigned)(point & 0xFFFF));
    else
        *(char *)mempcpy(unit, text.data, taken) = '\0';
    return taken;
}

/* How many leading bytes are ASCII, eight at a time: payloads are mostly that. */
static size_t ascii_run(const unsigned char *bytes, size_t len)
{
    size_t run = 0;

    while (len - run >= sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, bytes + run, sizeof word);
        if (word & UINT64_C(0x8080808080808080))
            break;
        run += sizeof word;
    }
    return run;
}

bool text_is_utf8(struct slice text)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    size_t at = 0;

    while (at < text.len) {
        at += ascii_run(bytes + at, text.len - at);
        if (at == text.len)
            break;
        uint32_t point;
        size_t step = text_decode((struct slice){text.data + at, text.len - at}, &point);
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}

bool text_is_plain(struct slice text)
{
    while (text.len > 0) {
        uint32_t point;
        size_t len = text_decode(text, &point);
        if (len == 0 || steers(point))
            return false;
        text.data += len;
        text.len -= len;
    }
    return true;
}
