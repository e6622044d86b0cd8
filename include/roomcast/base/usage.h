/* What this process takes of the machine.   Thread: any. */
#ifndef ROOMCAST_BASE_USAGE_H
#define ROOMCAST_BASE_USAGE_H

#include <stdint.h>

/* Processor time of all threads so far, user's and kernel's, in microseconds; 0 when it cannot be told. */
uint64_t usage_cpu_us(void);
/* Bytes resident in memory now; 0 when it cannot be told. */
uint64_t usage_memory_bytes(void);
/* Gives what was freed back to the kernel, as far as whole pages are free. Takes milliseconds, in which other
 * threads may have to wait for memory: not more than a few times a second. */
void usage_memory_trim(void);

#endif
