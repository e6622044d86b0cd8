/* The elements of a JSON array as spans of the original text, so that each can be handed on byte for byte.
 *
 * Only commas, brackets and strings are understood: whether an element is valid JSON is for its parser to
 * say. Works on any bytes, never recurses, allocates nothing. RFC 8259. */
#ifndef ROOMCAST_WIRE_JSON_ARRAY_H
#define ROOMCAST_WIRE_JSON_ARRAY_H

#include <stdbool.h>

#include <roomcast/base/slice.h>

struct json_array {
    struct slice rest; /* borrowed */
    bool first;
};

/* False when `text` does not begin with '[' (after white space). */
bool json_array_open(struct json_array *array, struct slice text);

enum json_array_step {
    JSON_ARRAY_ELEMENT, /* *ret_element is filled: not empty, without white space around it */
    JSON_ARRAY_END,     /* the array ended and nothing but white space follows */
    JSON_ARRAY_BROKEN   /* a comma or bracket is missing or too many */
};
enum json_array_step json_array_next(struct json_array *array, struct slice *ret_element);

#endif
