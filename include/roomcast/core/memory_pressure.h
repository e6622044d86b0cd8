/* How near a process is to its memory ceiling, and so what it gives up.
 *
 *            85 %             90 %               95 % of the ceiling
 *     CALM -------> SHRINKING -------> REFUSING -------> CLOSING
 *          <-------          <-------           <-------
 *            80 %             85 %               90 %
 *
 * It rises at once, over several stages if need be, and falls when the use is 5 points below where the stage
 * begins, so that it does not swing around one line. Without a ceiling it stays CALM.
 *
 * Thread: its owner's.   Pure: numbers. */
#ifndef ROOMCAST_CORE_MEMORY_PRESSURE_H
#define ROOMCAST_CORE_MEMORY_PRESSURE_H

#include <stdint.h>

enum memory_stage {
    MEMORY_CALM,
    MEMORY_SHRINKING, /* forgets what can be read elsewhere */
    MEMORY_REFUSING,  /* and takes nobody new */
    MEMORY_CLOSING,   /* and closes who takes in nothing */
};

/* For logs. */
const char *memory_stage_name(enum memory_stage stage);
/* The stage that follows on `stage`. `max_bytes` 0: no ceiling. */
enum memory_stage memory_stage_next(enum memory_stage stage, uint64_t used_bytes, uint64_t max_bytes);
/* What must be given back until MEMORY_CLOSING ends; 0: nothing. */
uint64_t memory_excess(uint64_t used_bytes, uint64_t max_bytes);

#endif
