/* A borrowed run of bytes: pointer and length, no ownership, not NUL-terminated. */
#ifndef ROOMCAST_BASE_SLICE_H
#define ROOMCAST_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *data; /* borrowed; may be NULL only when len is 0 */
    size_t len;       /* bytes */
};

#define SLICE_LITERAL(text) ((struct slice){(text), sizeof(text) - 1})

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

/* A decimal number of nothing but digits, at most `max`, which is below 10^9; else nothing is written. */
static inline bool slice_parse_number(struct slice text, unsigned max, unsigned *ret_number)
{
    unsigned number = 0;
    if (text.len == 0 || text.len > 9)
        return false;
    for (size_t at = 0; at < text.len; at++) {
        if (text.data[at] < '0' || text.data[at] > '9')
            return false;
        number = number * 10 + (unsigned)(text.data[at] - '0');
    }
    if (number > max)
        return false;
    *ret_number = number;
    return true;
}

/* Without the white space of HTTP around it (OWS, RFC 9110 section 5.6.3). */
static inline struct slice slice_trim(struct slice text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
        text.len--;
    return text;
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* printf("%.*s", SLICE_FMT(s)) */
#define SLICE_FMT(s) (int)(s).len, (s).data

#endif
