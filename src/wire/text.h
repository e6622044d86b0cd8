/* What text from outside may look like: the checks that several parsers of this folder share. */
#ifndef ROOMCAST_SRC_WIRE_TEXT_H
#define ROOMCAST_SRC_WIRE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include <roomcast/base/text.h>

/* text_is_plain, and at most `max` bytes. May be empty. */
bool text_fits(struct slice text, size_t max);
/* ASCII that can be seen, 0x21 to 0x7e, at most `max` bytes. May be empty. */
bool text_is_graphic(struct slice text, size_t max);
/* [0-9a-z], 1..EPOCH_LEN_MAX bytes. */
bool text_is_epoch(struct slice text);
/* A W3C Trace Context `traceparent` of version 00 (section 3.2 there). */
bool text_is_traceparent(struct slice text);
/* `text` for people: at most TEXT_EXCERPT_MAX bytes of it, what is not graphic ASCII or a space as '?', and
 * "..." when it was cut. `excerpt` has TEXT_EXCERPT_SIZE bytes. */
#define TEXT_EXCERPT_MAX  40
#define TEXT_EXCERPT_SIZE (TEXT_EXCERPT_MAX + sizeof "...")
void text_excerpt(struct slice text, char *excerpt);

#endif
