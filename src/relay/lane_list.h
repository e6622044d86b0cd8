/* A doubly linked list of room lanes: the idle ones by age, the waiting ones. */
#ifndef ROOMCAST_RELAY_LANE_LIST_H
#define ROOMCAST_RELAY_LANE_LIST_H

#include <stddef.h>

struct lane_links {
    struct lane_links *prev, *next;
    struct lane_list *list; /* NULL: in none */
};
struct lane_list {
    struct lane_links *first, *last;
    size_t count;
};

static inline void lane_list_append(struct lane_list *list, struct lane_links *links)
{
    *links = (struct lane_links){.prev = list->last, .list = list};
    if (list->last)
        list->last->next = links;
    else
        list->first = links;
    list->last = links;
    list->count++;
}

/* From whichever list it is in. */
static inline void lane_list_remove(struct lane_links *links)
{
    struct lane_list *list = links->list;

    if (!list)
        return;
    if (links->prev)
        links->prev->next = links->next;
    else
        list->first = links->next;
    if (links->next)
        links->next->prev = links->prev;
    else
        list->last = links->prev;
    list->count--;
    *links = (struct lane_links){.list = NULL};
}

#endif
