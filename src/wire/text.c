#include "text.h"

#include <stdint.h>

#include <roomcast/wire/position.h>

/* Bytes of the well-formed UTF-8 sequence at the start of `bytes`, 0 when there is none: Unicode 15, table
 * 3-7. */
static size_t sequence_len(const unsigned char *bytes, size_t len)
{
    unsigned char lead = bytes[0];
    /* The second byte's range is what rules out overlong forms, surrogates and values above U+10FFFF. */
    unsigned char low = 0x80, high = 0xbf;
    size_t need;

    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    need = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (lead == 0xe0)
        low = 0xa0;
    else if (lead == 0xed)
        high = 0x9f;
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f;
    if (need > len || bytes[1] < low || bytes[1] > high)
        return 0;
    for (size_t i = 2; i < need; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    }
    return need;
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
        size_t step = sequence_len(bytes + at, text.len - at);
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}

bool text_is_plain(struct slice text, size_t max)
{
    if (text.len > max || !text_is_utf8(text))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte < 0x20 || byte == 0x7f)
            return false;
        /* U+0080..U+009F are C2 80..C2 9F; well-formed text has a byte after C2. */
        if (byte == 0xc2 && (unsigned char)text.data[i + 1] < 0xa0)
            return false;
    }
    return true;
}

bool text_is_graphic(struct slice text, size_t max)
{
    if (text.len > max)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x21 || text.data[i] > 0x7e)
            return false;
    }
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool text_is_epoch(struct slice text)
{
    if (text.len == 0 || text.len > EPOCH_LEN_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_digit(text.data[i]) && !(text.data[i] >= 'a' && text.data[i] <= 'z'))
            return false;
    }
    return true;
}

bool text_is_traceparent(struct slice text)
{
    static const char form[] = "00-hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh-hhhhhhhhhhhhhhhh-hh";

    if (text.len != sizeof form - 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (form[i] == 'h' ? !is_digit(c) && !(c >= 'a' && c <= 'f') : c != form[i])
            return false;
    }
    return true;
}

void text_excerpt(struct slice text, char *excerpt)
{
    size_t len = text.len < TEXT_EXCERPT_MAX ? text.len : TEXT_EXCERPT_MAX;

    for (size_t i = 0; i < len; i++)
        excerpt[i] = text.data[i] >= 0x20 && text.data[i] <= 0x7e ? text.data[i] : '?';
    strcpy(excerpt + len, text.len > len ? "..." : "");
}
