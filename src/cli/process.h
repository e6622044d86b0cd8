/* What the process itself may do, and what others may see of it.
 *
 * Thread: main, before any other is started. */
#ifndef ROOMCAST_CLI_PROCESS_H
#define ROOMCAST_CLI_PROCESS_H

#include <stdbool.h>

#include <roomcast/config/config.h>

/* First of all, before a secret is read: no core dump, no debugger or /proc/PID/mem of the same user, and no
 * program that this one might start gains rights. */
void process_protect(void);
/* Reads the configuration, with version, environment and standard streams put into `request`, and forgets its
 * sources. False: everything has been said, and `*ret_status` is the exit code. */
bool process_configure(struct config_request *request, struct config **ret_config, int *ret_status);
/* With the configuration, and log_init() done: becomes process.user, or warns that this is root; lets core
 * dumps happen where they are wanted. False: a line on standard error, for `program`, says what went wrong.
 */
bool process_settle(const struct config *config, const char *program);
/* Why admin.key is none, a static message; NULL when it is one, or not set. */
const char *process_check_admin_key(const struct config *config);

#endif
