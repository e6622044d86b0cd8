/* Which stream holds what: the one place where that is decided.
 *
 *   one stream    <stream>                    holds <prefix>.ev.>
 *   S streams     <stream>_<shard>of<S>       holds <prefix>.ev.<shard>.>, shard 0 to S - 1
 *
 * The shard of <prefix>.ev.<rest> is hash_stable_64(<rest>) modulo S, for all time: of a room, <rest> is
 * "chat.<id>" or "user.<id>" (wire/subject.h). The name says S too, so that programs that were told different
 * numbers never take each other's streams for their own; and since the subjects of two numbers overlap, NATS
 * refuses to make the streams of both.
 *
 * Owns: its texts.   Immutable once made: any thread. */
#ifndef ROOMCAST_IO_BUS_SHARDS_H
#define ROOMCAST_IO_BUS_SHARDS_H

#include <stdbool.h>

#include <roomcast/base/err.h>
#include <roomcast/io/bus.h>

struct bus_shards {
    unsigned count;
    char *events;                  /* "<prefix>.ev." */
    char *streams[BUS_SHARDS_MAX]; /* names; `count` of them */
};

/* `count` 0 is 1. ERR_NO_MEMORY: bus_shards_fini() is still due. */
enum err bus_shards_init(struct bus_shards *shards, const char *prefix, const char *stream,
                         unsigned count) MUST_CHECK;
void bus_shards_fini(struct bus_shards *shards);

/* Of an event subject. Any other has 0, whose stream does not take it. */
unsigned bus_shards_find(const struct bus_shards *shards, const char *subject);
/* Is what is stored on `subject` stored under another one? */
bool bus_shards_moves(const struct bus_shards *shards, const char *subject);
/* The subject under which `shard` stores what is stored on `subject`: for the caller to free(). NULL: out of
 * memory. */
char *bus_shards_place(const struct bus_shards *shards, unsigned shard, const char *subject);
/* "<prefix>.ev.>" or "<prefix>.ev.<shard>.>", in `text` of `size` bytes. */
void bus_shards_format_all(const struct bus_shards *shards, unsigned shard, char *text, size_t size);

#endif
