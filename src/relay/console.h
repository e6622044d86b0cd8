/* What a relay answers operators, who ask by a node (/console; wire/console_message.h): revocations, and the
 * dead letters, which only it can read.
 *
 *   bus --question--> [ console ] --revocation--> revoker
 *                          |  ^------ done ---------'
 *                          +--dead letters--> its own thread --> Redis
 *
 * Thread: has one of its own, which owns the Redis client; start, stop and free on the main thread. */
#ifndef ROOMCAST_RELAY_CONSOLE_H
#define ROOMCAST_RELAY_CONSOLE_H

#include "source.h"

struct relay_console;

#define RELAY_CONSOLE_WAITING 16u /* questions; more are refused */
#define RELAY_CONSOLE_PAGE    20u /* dead letters in one answer */

/* `bus` and all else borrowed. `instance`: as in the relay's beats; copied. ERR_CONFIG with `problem` (256
 * bytes): redis.url. ERR_NO_MEMORY, ERR_BUSY, ERR_IO: the thread. Then too `*ret_console` is to be freed,
 * unless it is NULL. */
enum err relay_console_new(const struct source_context *context, struct bus *bus, const char *instance,
                           struct relay_console **ret_console, char *problem) MUST_CHECK;
/* Asks the revoker for nothing more, ends the thread: a command to Redis that is under way is waited for.
 * Accepts NULL. */
void relay_console_stop(struct relay_console *console);
/* After the revoker has given back everything. Accepts NULL, nulls; the bus may still hold on to it. */
void relay_console_free(struct relay_console **console);

#endif
