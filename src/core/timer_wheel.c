#include <roomcast/core/timer_wheel.h>

#include <stddef.h>

#define SLOT_MASK (TIMER_WHEEL_SLOTS - 1)

static void list_init(struct wheel_timer *head)
{
    head->next = head->previous = head;
}

static void list_add(struct wheel_timer *head, struct wheel_timer *timer)
{
    timer->previous = head->previous;
    timer->next = head;
    head->previous->next = timer;
    head->previous = timer;
}

static void list_remove(struct wheel_timer *timer)
{
    timer->previous->next = timer->next;
    timer->next->previous = timer->previous;
    timer->next = timer->previous = NULL;
}

void timer_wheel_init(struct timer_wheel *wheel, uint32_t tick_ms, uint64_t now_ms)
{
    wheel->tick_ms = tick_ms;
    wheel->now_tick = now_ms / tick_ms;
    wheel->count = 0;
    for (size_t i = 0; i < TIMER_WHEEL_SLOTS; i++)
        list_init(&wheel->slots[i]);
}

bool wheel_timer_is_set(const struct wheel_timer *timer)
{
    return timer->next != NULL;
}

/* The tick at whose advance the timer fires: rounded up, so that it is never early. */
static uint64_t due_tick(const struct timer_wheel *wheel, const struct wheel_timer *timer)
{
    return timer->due_ms / wheel->tick_ms + (timer->due_ms % wheel->tick_ms != 0);
}

void timer_wheel_set(struct timer_wheel *wheel, struct wheel_timer *timer, uint64_t due_ms)
{
    timer_wheel_cancel(wheel, timer);
    timer->due_ms = due_ms;
    uint64_t tick = due_tick(wheel, timer);
    if (tick <= wheel->now_tick)
        tick = wheel->now_tick + 1;
    list_add(&wheel->slots[tick & SLOT_MASK], timer);
    wheel->count++;
}

void timer_wheel_cancel(struct timer_wheel *wheel, struct wheel_timer *timer)
{
    if (!wheel_timer_is_set(timer))
        return;
    list_remove(timer);
    wheel->count--;
}

/* Moves the slot's timers aside first: `fire` may set and cancel timers, also in this slot. */
static void fire_slot(struct timer_wheel *wheel, struct wheel_timer *slot,
                      void (*fire)(void *context, struct wheel_timer *timer), void *context)
{
    struct wheel_timer aside;
    if (slot->next == slot)
        return;
    aside = *slot;
    aside.next->previous = &aside;
    aside.previous->next = &aside;
    list_init(slot);
    while (aside.next != &aside) {
        struct wheel_timer *timer = aside.next;
        list_remove(timer);
        if (due_tick(wheel, timer) > wheel->now_tick) { /* of a later revolution */
            list_add(slot, timer);
            continue;
        }
        wheel->count--;
        fire(context, timer);
    }
}

void timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_ms,
                         void (*fire)(void *context, struct wheel_timer *timer), void *context)
{
    uint64_t target = now_ms / wheel->tick_ms;
    if (target <= wheel->now_tick)
        return;
    /* After a long pause one revolution visits every slot. */
    uint64_t ticks = target - wheel->now_tick;
    uint64_t first = ticks > TIMER_WHEEL_SLOTS ? target - TIMER_WHEEL_SLOTS + 1 : wheel->now_tick + 1;
    wheel->now_tick = target;
    for (uint64_t tick = first; tick <= target; tick++)
        fire_slot(wheel, &wheel->slots[tick & SLOT_MASK], fire, context);
}
