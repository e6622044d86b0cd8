#include <roomcast/core/write_schedule.h>

#include <assert.h>
#include <stddef.h>

#define LAST_LINE (WRITE_LINES - 1u)

void write_schedule_init(struct write_schedule *schedule)
{
    *schedule = (struct write_schedule){.waiting = 0};
}

static uint8_t line_of(uint32_t audience)
{
    if (audience == WRITE_ALONE)
        return 0;
    unsigned power = 31u - (unsigned)__builtin_clz(audience);
    if (audience == WRITE_BEHIND)
        return LAST_LINE;
    return (uint8_t)(power + 1 < LAST_LINE ? power + 1 : LAST_LINE - 1);
}

void write_schedule_remove(struct write_schedule *schedule, struct write_place *place)
{
    if (!place->waits)
        return;
    struct write_line *line = &schedule->lines[place->line];
    if (place->previous)
        place->previous->next = place->next;
    else
        line->first = place->next;
    if (place->next)
        place->next->previous = place->previous;
    else
        line->last = place->previous;
    if (!line->first)
        schedule->waiting &= ~(1u << place->line);
    place->waits = false;
}

void write_schedule_add(struct write_schedule *schedule, struct write_place *place, uint32_t audience)
{
    uint8_t at = line_of(audience);
    if (place->waits && place->line <= at)
        return;
    write_schedule_remove(schedule, place);
    struct write_line *line = &schedule->lines[at];
    *place = (struct write_place){.previous = line->last, .line = at, .waits = true};
    if (line->last)
        line->last->next = place;
    else
        line->first = place;
    line->last = place;
    schedule->waiting |= 1u << at;
}

/* Three quarters of what is left, the last line all of it, and no line nothing. */
static uint32_t share_of(uint32_t left, uint32_t lines)
{
    assert(left >= lines);
    return lines == 1 ? left : 1 + (left - lines) * 3 / 4;
}

static uint32_t take_from(struct write_schedule *schedule, struct write_line *line,
                          struct write_place **places, uint32_t max)
{
    uint32_t taken = 0;
    while (line->first && taken < max) {
        places[taken] = line->first;
        write_schedule_remove(schedule, places[taken]);
        taken++;
    }
    return taken;
}

uint32_t write_schedule_take(struct write_schedule *schedule, struct write_place **places, uint32_t max)
{
    assert(max >= WRITE_LINES);
    uint32_t taken = 0;
    for (uint32_t waiting = schedule->waiting; waiting != 0; waiting &= waiting - 1) {
        struct write_line *line = &schedule->lines[__builtin_ctz(waiting)];
        uint32_t share = share_of(max - taken, (uint32_t)__builtin_popcount(waiting));
        taken += take_from(schedule, line, places + taken, share);
    }
    return taken;
}
