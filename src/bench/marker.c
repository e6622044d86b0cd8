#include "marker.h"

#include <string.h>

#define PREFIX     "~rb:"
#define PREFIX_LEN 4

static char *write_hex(char *text, uint64_t value, int digits)
{
    for (int i = digits - 1; i >= 0; i--, value >>= 4)
        text[i] = "0123456789abcdef"[value & 15];
    return text + digits;
}

void marker_write(const struct marker *marker, char *text)
{
    memcpy(text, PREFIX, PREFIX_LEN);
    text = write_hex(text + PREFIX_LEN, marker->room, 6);
    text = write_hex(text, marker->number, 8);
    text = write_hex(text, marker->slot, 4);
    write_hex(text, marker->time_ns, 16);
}

void marker_fill(const struct marker *marker, char *payload, size_t len)
{
    /* Letters and spaces as often as in English, of 64: what they compress to is about what text does. */
    static const char letters[] = "          eeeeeeetttttaaaaaooooiiiinnnnsssshhhrrrddlluuccmwfgypb";
    uint32_t random = marker->number * 2654435761u ^ marker->room;

    marker_write(marker, payload);
    for (size_t i = MARKER_LEN; i < len; i++) {
        random = random * 1664525u + 1013904223u;
        payload[i] = letters[random >> 26];
    }
}

/* The digits were written by us: what else may stand there gives a wrong number, which the tally notices. */
static const char *read_hex(const char *text, int digits, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (int i = 0; i < digits; i++) {
        unsigned char c = (unsigned char)text[i];
        value = value << 4 | ((c & 15u) + (c >> 6) * 9u);
    }
    *ret_value = value;
    return text + digits;
}

static void read_fields(const char *text, struct marker *ret_marker)
{
    uint64_t room, number, slot;
    text = read_hex(text + PREFIX_LEN, 6, &room);
    text = read_hex(text, 8, &number);
    text = read_hex(text, 4, &slot);
    read_hex(text, 16, &ret_marker->time_ns);
    ret_marker->room = (uint32_t)room;
    ret_marker->number = (uint32_t)number;
    ret_marker->slot = (uint32_t)slot;
}

bool marker_find(struct slice text, size_t *offset, struct marker_hint *hint, struct marker *ret_marker)
{
    if (text.len < *offset + MARKER_LEN)
        return false;
    size_t at = hint->offset;
    if (at < *offset || at + MARKER_LEN > text.len || memcmp(text.data + at, PREFIX, PREFIX_LEN) != 0) {
        const char *found = memmem(text.data + *offset, text.len - *offset, PREFIX, PREFIX_LEN);
        if (!found || text.len - (size_t)(found - text.data) < MARKER_LEN)
            return false;
        at = (size_t)(found - text.data);
        if (*offset == 0)
            hint->offset = at;
    }
    read_fields(text.data + at, ret_marker);
    *offset = at + MARKER_LEN;
    return true;
}
