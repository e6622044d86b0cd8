/* How the generator gets into NATS, and how what it says there is sealed (wire/seal.h): the options of a
 * node, read once.
 *
 * Immutable; any thread may use it. */
#ifndef ROOMCAST_BENCH_BENCH_ACCESS_H
#define ROOMCAST_BENCH_BENCH_ACCESS_H

#include <roomcast/base/err.h>
#include <roomcast/io/bus.h>

#include "options.h"

struct bench_access;

/* Borrows from `options`. ERR_CONFIG with `problem` (SOURCE_PROBLEM_SIZE): which file, and why not.
 * ERR_NO_MEMORY. */
enum err bench_access_new(const struct bench_options *options, struct bench_access **ret_access,
                          char *problem) MUST_CHECK;
/* Borrowed; NULL of NULL. */
const struct bus_nats_access *bench_access_get(const struct bench_access *access);
/* After every bus that uses it. Accepts NULL, nulls. */
void bench_access_free(struct bench_access **access);

#endif
