/* Options written as a YAML file. */
#ifndef ROOMCAST_SRC_CONFIG_YAML_TEXT_H
#define ROOMCAST_SRC_CONFIG_YAML_TEXT_H

#include "draft.h"

/* The effective configuration of the request's program, each value with its source; it can be loaded again,
 * but for secrets that were given by value, which are not shown. */
void yaml_text_effective(const struct draft *draft, struct buffer *out);

#endif
