#include <roomcast/core/memory_pressure.h>

#define HYSTERESIS 5 /* percent of the ceiling */

static const struct {
    unsigned percent; /* of the ceiling, from which on it holds */
    const char *name;
} stages[] = {
    [MEMORY_CALM] = {0, "calm"},
    [MEMORY_SHRINKING] = {85, "shrinking"},
    [MEMORY_REFUSING] = {90, "refusing"},
    [MEMORY_CLOSING] = {95, "closing"},
};

const char *memory_stage_name(enum memory_stage stage)
{
    return stages[stage].name;
}

/* Divided first: neither overflows, and a ceiling is many times 100 bytes. */
static uint64_t part(uint64_t max_bytes, unsigned percent)
{
    return max_bytes / 100 * percent;
}

enum memory_stage memory_stage_next(enum memory_stage stage, uint64_t used_bytes, uint64_t max_bytes)
{
    if (max_bytes == 0)
        return MEMORY_CALM;
    while (stage < MEMORY_CLOSING && used_bytes >= part(max_bytes, stages[stage + 1].percent))
        stage++;
    while (stage > MEMORY_CALM && used_bytes < part(max_bytes, stages[stage].percent - HYSTERESIS))
        stage--;
    return stage;
}

uint64_t memory_excess(uint64_t used_bytes, uint64_t max_bytes)
{
    uint64_t end = part(max_bytes, stages[MEMORY_CLOSING].percent - HYSTERESIS);

    return used_bytes > end ? used_bytes - end : 0;
}
