/* Which characters the few options may hold whose values become parts of other names. */
#ifndef ROOMCAST_SRC_CONFIG_PATTERN_H
#define ROOMCAST_SRC_CONFIG_PATTERN_H

#include <stdbool.h>

/* True for a key without a pattern. */
bool pattern_allows(const char *key, const char *text);
/* " of letters, digits, ...", to end a rule; NULL for a key without a pattern. */
const char *pattern_text(const char *key);

#endif
