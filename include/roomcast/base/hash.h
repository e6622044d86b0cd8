/* uthash with SipHash and a random key per process, for every table keyed by what strangers choose: nobody
 * can aim for one bucket. Include this instead of <uthash.h>. random_init() must have run. */
#ifndef ROOMCAST_BASE_HASH_H
#define ROOMCAST_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

unsigned hash_bytes(const void *bytes, size_t len);
uint64_t hash_bytes_64(const void *bytes, size_t len);
/* The same number on all machines and for all time, so anybody can aim: SipHash-2-4 with a key of 16 zero
 * bytes, its result read little-endian (https://www.aumasson.jp/siphash/siphash.pdf). */
uint64_t hash_stable_64(const void *bytes, size_t len);

#define HASH_FUNCTION(key, len, value) ((value) = hash_bytes((key), (len)))
#define HASH_NONFATAL_OOM              1

#include <uthash.h>

#endif
