/* What an option allows, in words. */
#ifndef ROOMCAST_SRC_CONFIG_RULE_H
#define ROOMCAST_SRC_CONFIG_RULE_H

#include "options.h"

/* As it ends a fault: "must be a whole number from 1 to 1024 (rooms)". */
void rule_text(const struct option *option, struct buffer *out);
/* As it stands in a table: "1 to 1024 rooms". */
void rule_range(const struct option *option, struct buffer *out);

#endif
