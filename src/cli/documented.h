/* Of which programs write_manual writes: it is linked twice, since a program's tables come with the program.
 */
#ifndef ROOMCAST_CLI_DOCUMENTED_H
#define ROOMCAST_CLI_DOCUMENTED_H

#include <roomcast/manual/manual.h>

/* Followed by NULL. */
const struct manual_program *const *documented_programs(void);

#endif
