#include <roomcast/base/clock.h>

#include <string.h>
#include <time.h>

#define LAST_WALL_MS 253402300799999 /* the end of the year 9999, after which RFC 3339 has no form */

static uint64_t read_us(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_monotonic_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}

uint64_t clock_monotonic_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

uint64_t clock_boot_ms(void)
{
    return read_us(CLOCK_BOOTTIME) / 1000;
}

uint64_t clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

void clock_format(uint64_t wall_ms, char *text)
{
    if (wall_ms > LAST_WALL_MS)
        wall_ms = LAST_WALL_MS;
    /* Log lines come many in a second: the calendar is asked once for each. */
    static _Thread_local char second[CLOCK_TEXT_SIZE];
    static _Thread_local time_t seconds = -1;
    unsigned ms = (unsigned)(wall_ms % 1000);

    if (seconds != (time_t)(wall_ms / 1000)) {
        struct tm utc;
        seconds = (time_t)(wall_ms / 1000);
        gmtime_r(&seconds, &utc);
        strftime(second, sizeof second, "%Y-%m-%dT%H:%M:%S.000Z", &utc);
    }
    memcpy(text, second, CLOCK_TEXT_SIZE);
    text[20] = (char)('0' + ms / 100);
    text[21] = (char)('0' + ms / 10 % 10);
    text[22] = (char)('0' + ms % 10);
}
