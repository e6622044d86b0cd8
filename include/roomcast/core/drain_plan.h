/* How many of a drain's clients are due to be sent away by now, so that they go at an even pace.
 *
 * Pure: no clock, no sessions.   Thread: any. */
#ifndef ROOMCAST_CORE_DRAIN_PLAN_H
#define ROOMCAST_CORE_DRAIN_PLAN_H

#include <stdint.h>

/* `clients`: that were here when the drain began; `left`: of them, not sent away yet and not gone by
 * themselves. After `elapsed_ms` of `spread_ms` the share of the clients that may be left is the share of the
 * time that is left; 0 `spread_ms`: nobody may be. Returns how many to send away now, `left` at most. */
uint32_t drain_plan_due(uint32_t clients, uint32_t left, uint64_t elapsed_ms, uint64_t spread_ms);

/* The spread that can be kept: all have to be sent away some time before `timeout_ms`, at which the process
 * ends, so that the last ones can be told. */
uint64_t drain_plan_spread(uint64_t spread_ms, uint64_t timeout_ms);

#endif
