/* A bus in front of another one that can be taken down and loses answers: for what happens to the relay then.
 */
#ifndef ROOMCAST_TESTS_FAULTY_BUS_H
#define ROOMCAST_TESTS_FAULTY_BUS_H

#include <stdbool.h>

#include <roomcast/io/bus.h>

/* Takes `inner` over. Up, without faults. */
struct bus *faulty_bus_new(struct bus *inner);
/* Down: nothing is stored, nobody answers. */
void faulty_bus_set_up(struct bus *bus, bool up);
/* So many of a hundred stores are answered with "unknown" (stored or not) or "unavailable". */
void faulty_bus_set_faults(struct bus *bus, unsigned percent);
/* Every second store fails like that, so that what is tried again gets through. */
void faulty_bus_alternate(struct bus *bus, bool alternate);
/* From now on every store is refused for ever. */
void faulty_bus_refuse(struct bus *bus, bool refuse);
/* What bus_ensure_stream answers. */
void faulty_bus_set_stream(struct bus *bus, enum err err);
/* Answers to stores of events (not of the lease) are kept back; ended, they all come at once. */
void faulty_bus_hold(struct bus *bus, bool hold);
/* Stores asked for. */
unsigned faulty_bus_stores(struct bus *bus);

#endif
