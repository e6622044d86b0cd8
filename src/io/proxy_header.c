#include "proxy_header.h"

#include <string.h>

#define V1_MAX        107 /* bytes, CR LF included */
#define V2_FIXED      16
#define V2_VERSION    0x20
#define V2_LOCAL      0x0
#define V2_PROXY      0x1
#define V2_UNSPEC     0x00
#define V2_TCP4       0x11
#define V2_TCP4_BYTES 12
#define V2_TCP6       0x21
#define V2_TCP6_BYTES 36
#define V2_UNIX       0x31

static const char v1_signature[] = "PROXY ";
static const char v2_signature[] = "\r\n\r\n\0\r\nQUIT\n";

#define V1_SIGNATURE_LEN (sizeof v1_signature - 1)
#define V2_SIGNATURE_LEN (sizeof v2_signature - 1)

/* As far as both go. */
static bool begins_like(struct slice bytes, const char *signature, size_t len)
{
    return memcmp(bytes.data, signature, bytes.len < len ? bytes.len : len) == 0;
}

/* --- version 1: one line of text --- */

/* The text before the next blank, or all that is left; `line` loses both. */
static struct slice take_word(struct slice *line)
{
    const char *blank = memchr(line->data, ' ', line->len);
    struct slice word = {line->data, blank ? (size_t)(blank - line->data) : line->len};
    size_t taken = word.len + (blank ? 1 : 0);
    *line = (struct slice){line->data + taken, line->len - taken};
    return word;
}

static bool is_port(struct slice text)
{
    unsigned port;
    return slice_parse_number(text, 65535, &port);
}

static bool parse_v1_line(struct slice line, struct proxy_header *header)
{
    struct address destination;
    struct slice family = take_word(&line);
    if (slice_equal(family, SLICE_LITERAL("UNKNOWN")))
        return true; /* whatever follows is to be ignored */
    bool is_v4 = slice_equal(family, SLICE_LITERAL("TCP4"));
    if (!is_v4 && !slice_equal(family, SLICE_LITERAL("TCP6")))
        return false;
    struct slice from = take_word(&line), to = take_word(&line), from_port = take_word(&line);
    struct slice to_port = take_word(&line);
    if (!address_parse(from, &header->client) || !address_parse(to, &destination))
        return false;
    bool has_colons = memchr(from.data, ':', from.len) != NULL;
    header->has_client = true;
    return has_colons != is_v4 && is_port(from_port) && is_port(to_port) && line.len == 0;
}

static enum proxy_verdict parse_v1(struct slice bytes, struct proxy_header *header)
{
    size_t looked_at = bytes.len < V1_MAX ? bytes.len : V1_MAX;
    const char *lf = memchr(bytes.data, '\n', looked_at);
    if (!lf)
        return bytes.len < V1_MAX ? PROXY_INCOMPLETE : PROXY_BAD;
    header->size = (size_t)(lf - bytes.data) + 1;
    if (header->size < V1_SIGNATURE_LEN + 2 || lf[-1] != '\r')
        return PROXY_BAD;
    struct slice line = {bytes.data + V1_SIGNATURE_LEN, header->size - V1_SIGNATURE_LEN - 2};
    return parse_v1_line(line, header) ? PROXY_COMPLETE : PROXY_BAD;
}

/* --- version 2: binary --- */

static bool parse_v2_addresses(struct slice bytes, unsigned family, struct proxy_header *header)
{
    switch (family) {
    case V2_UNSPEC:
    case V2_UNIX:
        return true;
    case V2_TCP4:
        if (bytes.len < V2_TCP4_BYTES)
            return false;
        header->client = address_of_v4((const unsigned char *)bytes.data);
        break;
    case V2_TCP6:
        if (bytes.len < V2_TCP6_BYTES)
            return false;
        memcpy(header->client.bytes, bytes.data, sizeof header->client.bytes);
        break;
    default:
        return false;
    }
    header->has_client = true;
    return true;
}

static enum proxy_verdict parse_v2(struct slice bytes, struct proxy_header *header)
{
    const unsigned char *at = (const unsigned char *)bytes.data;
    if (bytes.len < V2_FIXED)
        return PROXY_INCOMPLETE;
    unsigned command = at[12] & 0x0F;
    size_t len = (size_t)at[14] << 8 | at[15];
    if ((at[12] & 0xF0) != V2_VERSION || command > V2_PROXY || len > PROXY_HEADER_MAX - V2_FIXED)
        return PROXY_BAD;
    header->size = V2_FIXED + len;
    if (bytes.len < header->size)
        return PROXY_INCOMPLETE;
    if (command == V2_LOCAL)
        return PROXY_COMPLETE;
    struct slice addresses = {bytes.data + V2_FIXED, len};
    return parse_v2_addresses(addresses, at[13], header) ? PROXY_COMPLETE : PROXY_BAD;
}

enum proxy_verdict proxy_header_parse(struct slice bytes, struct proxy_header *ret_header)
{
    struct proxy_header header = {0};
    enum proxy_verdict verdict = PROXY_BAD;
    if (bytes.len == 0)
        return PROXY_INCOMPLETE;
    if (begins_like(bytes, v1_signature, V1_SIGNATURE_LEN))
        verdict = parse_v1(bytes, &header);
    else if (begins_like(bytes, v2_signature, V2_SIGNATURE_LEN))
        verdict = parse_v2(bytes, &header);
    if (verdict == PROXY_COMPLETE)
        *ret_header = header;
    return verdict;
}
