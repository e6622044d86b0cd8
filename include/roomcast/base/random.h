/* Random numbers from the system's source (libsodium). random_init() before any other call and any hash
 * table. */
#ifndef ROOMCAST_BASE_RANDOM_H
#define ROOMCAST_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/err.h>

/* Once per process, on the main thread, before other threads start; again is harmless. ERR_IO when the
 * system has no source of randomness. */
enum err random_init(void) MUST_CHECK;
void random_bytes(void *bytes, size_t len);
/* Evenly in [0, bound); bound > 0. */
uint32_t random_below(uint32_t bound);
/* `len` characters of [0-9a-z], for ids that people read; `text` has len + 1 bytes. */
void random_text(char *text, size_t len);
/* Zeroes secrets in a way the compiler keeps. */
void wipe(void *bytes, size_t len);
/* A copy of the `len` bytes, with NUL behind it, for as long as the process needs the secret: in locked
 * memory that is neither swapped nor dumped, between pages that fault (libsodium's; where the limit on locked
 * memory is used up, it is only not locked). NULL when out of memory. */
char *secret_copy(const void *bytes, size_t len);
/* Wipes it; accepts NULL, nulls. */
void secret_free(char **secret);
/* Constant time in the contents; lengths are compared openly. */
int secret_equal(const void *a, size_t a_len, const void *b, size_t b_len);

#endif
