/* The little JSON that is not left to jansson: writing strings, measuring depth, finding the original bytes
 * of a member. RFC 8259. */
#ifndef ROOMCAST_WIRE_JSON_TEXT_H
#define ROOMCAST_WIRE_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/slice.h>

/* Appends `text` as a JSON string with its quotes. `text` is valid UTF-8. */
void json_append_string(struct buffer *out, struct slice text);
/* Deepest nesting of arrays and objects; counts outside strings only, never recurses; works on broken JSON
 * too, so it may run before a parser does. Stops counting above `limit` and returns limit + 1. */
size_t json_depth(struct slice text, size_t limit);
/* The bytes of the value of the top-level object's LAST member called `name` (as parsers that keep the last
 * of several do), without white space around it. `text` must be valid JSON (a parser has taken it). False
 * when `text` is no object or has no such member. Member names written with escapes are compared decoded. */
bool json_find_member(struct slice text, const char *name, struct slice *ret_value);

#endif
