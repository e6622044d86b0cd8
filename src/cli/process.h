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
/* With the configuration, and log_init() done: becomes process.user, or warns that this is root; lets core
 * dumps happen where they are wanted. False: a line on standard error, for `program`, says what went wrong.
 */
bool process_settle(const struct config *config, const char *program);

#endif
