#include "ws_utf8.h"

#include <stdint.h>
#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)

void ws_utf8_init(struct ws_utf8 *utf8)
{
    *utf8 = (struct ws_utf8){0, 0x80, 0xBF};
}

/* RFC 3629 section 4: the second byte is narrower after E0 and F0 (overlong forms), ED (surrogates) and F4
 * (beyond U+10FFFF). */
static bool start(struct ws_utf8 *utf8, unsigned char lead)
{
    if (lead < 0xC2 || lead > 0xF4)
        return false;
    utf8->missing = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    utf8->low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    utf8->high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    return true;
}

static size_t ascii_run(const unsigned char *bytes, size_t len)
{
    size_t at = 0;
    uint64_t word;
    while (len - at >= sizeof word) {
        memcpy(&word, bytes + at, sizeof word);
        if (word & HIGH_BITS)
            break;
        at += sizeof word;
    }
    while (at < len && bytes[at] < 0x80)
        at++;
    return at;
}

bool ws_utf8_feed(struct ws_utf8 *utf8, const unsigned char *bytes, size_t len)
{
    size_t at = 0;
    while (at < len) {
        if (utf8->missing == 0) {
            at += ascii_run(bytes + at, len - at);
            if (at < len && !start(utf8, bytes[at++]))
                return false;
            continue;
        }
        if (bytes[at] < utf8->low || bytes[at] > utf8->high)
            return false;
        utf8->missing--;
        utf8->low = 0x80;
        utf8->high = 0xBF;
        at++;
    }
    return true;
}

bool ws_utf8_complete(const struct ws_utf8 *utf8)
{
    return utf8->missing == 0;
}
