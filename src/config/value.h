/* The values of options: from text to the field of struct config. */
#ifndef ROOMCAST_SRC_CONFIG_VALUE_H
#define ROOMCAST_SRC_CONFIG_VALUE_H

#include <stdbool.h>

#include "options.h"

#define LIST_ITEMS_MAX 256

/* Sets the option's field; false, and the field untouched, when the text is not allowed, or memory is out:
 * then errno is ENOMEM. */
bool value_parse(const struct option *option, const char *text, struct config *config) MUST_CHECK;
/* Frees what value_parse allocated, secrets wiped; the field may be zero. */
void value_free(const struct option *option, struct config *config);
#endif
