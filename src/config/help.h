/* The answer to --help. */
#ifndef ROOMCAST_SRC_CONFIG_HELP_H
#define ROOMCAST_SRC_CONFIG_HELP_H

#include <roomcast/config/config.h>

/* Lists the options of the request's program, in groups. */
void help_text(const struct config_request *request, struct buffer *out);

#endif
