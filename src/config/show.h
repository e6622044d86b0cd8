/* Values made fit for people's eyes: escaped, and without what is secret in them. */
#ifndef ROOMCAST_SRC_CONFIG_SHOW_H
#define ROOMCAST_SRC_CONFIG_SHOW_H

#include "options.h"

#define SHOW_HIDDEN "(hidden)"

/* Escaped so that it stays on one line, without quotes. */
void show_text(struct slice text, struct buffer *out);
/* The same between double quotes: a YAML and JSON string. */
void show_quoted(struct slice text, struct buffer *out);
/* A value of `option`, quoted: "(hidden)" without quotes for a SECRET, and user and password of a URL masked.
 * At most `max` bytes of the text are shown, then "..." follows. */
void show_value(const struct option *option, const char *text, size_t max, struct buffer *out);

#endif
