/* Text from strangers made fit to be shown: UTF-8 checked, what steers a terminal or ends a line escaped. */
#ifndef ROOMCAST_BASE_TEXT_H
#define ROOMCAST_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/slice.h>

#define TEXT_UNIT_SIZE 8 /* bytes of the longest escaped character, "\uXXXX", and NUL */

/* The character at the start of `text`, which is not empty: its length in bytes, and its code point; 0, and
 * nothing written, when there is no well-formed one (RFC 3629: no overlong forms, no surrogates, nothing
 * beyond U+10FFFF). */
size_t text_decode(struct slice text, uint32_t *ret_point);

/* Writes the first character of `text`, which is not empty, as it may stand between double quotes in JSON and
 * in YAML; a byte that is no UTF-8 becomes U+FFFD. Returns how many bytes of `text` it stands for. */
size_t text_escape(struct slice text, char unit[TEXT_UNIT_SIZE]);

/* Well-formed UTF-8 (RFC 3629). Fast where the text is ASCII. */
bool text_is_utf8(struct slice text);

/* Well-formed UTF-8 without control characters and line ends. */
bool text_is_plain(struct slice text);

#endif
