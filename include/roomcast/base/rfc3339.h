/* Times as RFC 3339 writes them: 2026-11-23T10:15:30.123Z, or with an offset. */
#ifndef ROOMCAST_BASE_RFC3339_H
#define ROOMCAST_BASE_RFC3339_H

#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>

/* Unix ms, what is smaller cut off; a leap second is the second after it. ERR_SYNTAX: no such time, also of
 * the calendar; ERR_RANGE: before 1970. */
enum err rfc3339_read(struct slice text, uint64_t *ret_ms) MUST_CHECK;

#endif
