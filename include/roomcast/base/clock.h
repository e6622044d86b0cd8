/* The clocks, and text for the last of them. Time is read here, once per loop turn, and handed on as an
 * argument; nothing in src/core reads a clock. */
#ifndef ROOMCAST_BASE_CLOCK_H
#define ROOMCAST_BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_TEXT_SIZE 25 /* "2026-11-23T10:15:30.123Z" and NUL */

/* Never goes back; for durations and deadlines. */
uint64_t clock_monotonic_ms(void);
uint64_t clock_monotonic_us(void);
/* The same, and goes on while the machine sleeps: for promises to other machines. */
uint64_t clock_boot_ms(void);
/* Unix time; for tokens, logs and what people read. */
uint64_t clock_wall_ms(void);
/* RFC 3339, UTC, milliseconds. `text` has CLOCK_TEXT_SIZE bytes. */
void clock_format(uint64_t wall_ms, char *text);

#endif
