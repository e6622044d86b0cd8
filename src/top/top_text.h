/* Numbers and names as they fit into a column. All append to `out`, without padding. */
#ifndef ROOMCAST_TOP_TEXT_H
#define ROOMCAST_TOP_TEXT_H

#include <stdint.h>

#include <roomcast/base/buffer.h>

/* What strangers say: letters of Latin scripts, other characters that take one column each, are shown; what
 * would steer the terminal, is wider or has no width becomes '?'. `width` characters at most: a longer one
 * ends with '~'. */
void top_text_name(struct buffer *out, const char *name, unsigned width);

/* 0, 7, 9999, 12.3k, 1.23M: at most 5 characters below 10^15. */
void top_text_count(struct buffer *out, double value);
/* 512, 1.5K, 37M: at most 4 characters below 10^18. */
void top_text_bytes(struct buffer *out, uint64_t bytes);
/* 42s, 17m, 3h12, 12d: at most 5 characters below 10^4 days. */
void top_text_duration(struct buffer *out, uint64_t seconds);

/* How many columns the text takes: its characters. */
unsigned top_text_width(struct slice text);

#endif
