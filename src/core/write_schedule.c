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
    struct write_line *line = place->is_put_off ? &schedule->put_off : &schedule->lines[place->line];
    if (place->previous)
        place->previous->next = place->next;
    else
        line->first = place->next;
    if (place->next)
        place->next->previous = place->previous;
    else
        line->last = place->previous;
    if (!line->first && !place->is_put_off)
        schedule->waiting &= ~(1u << place->line);
    place->waits = false;
}

static void append(struct write_line *line, struct write_place *place)
{
    place->previous = line->last;
    place->next = NULL;
    place->waits = true;
    if (line->last)
        line->last->next = place;
    else
        line->first = place;
    line->last = place;
}

static void add_to_line(struct write_schedule *schedule, struct write_place *place, uint8_t line)
{
    write_schedule_remove(schedule, place);
    place->is_put_off = false;
    place->line = line;
    append(&schedule->lines[line], place);
    schedule->waiting |= 1u << line;
}

void write_schedule_add(struct write_schedule *schedule, struct write_place *place, uint32_t audience)
{
    uint8_t line = line_of(audience);
    bool is_ahead = place->waits && place->line <= line;
    if (!is_ahead || place->is_put_off)
        add_to_line(schedule, place, is_ahead ? place->line : line);
}

void write_schedule_put_off(struct write_schedule *schedule, struct write_place *place, uint32_t audience,
                            uint64_t due_ms)
{
    if (place->waits)
        return;
    place->is_put_off = true;
    place->line = line_of(audience);
    place->due_ms = (uint32_t)due_ms;
    append(&schedule->put_off, place);
}

uint64_t write_schedule_release(struct write_schedule *schedule, uint64_t now_ms)
{
    struct write_place *place;
    while ((place = schedule->put_off.first)) {
        int32_t left_ms = (int32_t)(place->due_ms - (uint32_t)now_ms);
        if (left_ms > 0)
            return (uint64_t)left_ms;
        add_to_line(schedule, place, place->line);
    }
    return 0;
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
        if (line->first->next)
            __builtin_prefetch(line->first->next->next, 1);
        write_schedule_remove(schedule, places[taken]);
        taken++;
    }
    return taken;
}

static uint32_t take_shares(struct write_schedule *schedule, struct write_place **places, uint32_t max)
{
    uint32_t taken = 0;
    for (uint32_t waiting = schedule->waiting; waiting != 0; waiting &= waiting - 1) {
        struct write_line *line = &schedule->lines[__builtin_ctz(waiting)];
        uint32_t share = share_of(max - taken, (uint32_t)__builtin_popcount(waiting));
        taken += take_from(schedule, line, places + taken, share);
    }
    return taken;
}

uint32_t write_schedule_take(struct write_schedule *schedule, struct write_place **places, uint32_t max)
{
    assert(max >= WRITE_LINES);
    uint32_t taken = take_shares(schedule, places, max);
    /* A line leaves what it does not use to those after it, and the last one to the first. */
    for (uint32_t waiting = schedule->waiting; waiting != 0 && taken < max; waiting &= waiting - 1)
        taken += take_from(schedule, &schedule->lines[__builtin_ctz(waiting)], places + taken, max - taken);
    return taken;
}
