/* What can be said of auth.jwks_* without asking anybody. */
#ifndef ROOMCAST_CLI_JWKS_CHECK_H
#define ROOMCAST_CLI_JWKS_CHECK_H

#include <roomcast/config/config.h>

/* NULL, or a message that names the options and says what to do; valid until the next call. Main thread. */
const char *jwks_check(const struct config *config);

#endif
