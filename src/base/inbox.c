#include <roomcast/base/inbox.h>

#include <assert.h>

void inbox_init(struct inbox *inbox, void (*wake)(void *context), void *context)
{
    *inbox = (struct inbox){.wake = wake, .context = context};
    inbox->tail = &inbox->head;
    pthread_mutex_init(&inbox->lock, NULL);
}

void inbox_fini(struct inbox *inbox)
{
    assert(!inbox->head);
    pthread_mutex_destroy(&inbox->lock);
}

bool inbox_put(struct inbox *inbox, struct inbox_item *item)
{
    item->next = NULL;
    pthread_mutex_lock(&inbox->lock);
    bool taken = !inbox->closed;
    bool first = inbox->count == 0;
    if (taken) {
        *inbox->tail = item;
        inbox->tail = &item->next;
        inbox->count++;
    }
    pthread_mutex_unlock(&inbox->lock);
    if (taken && first)
        inbox->wake(inbox->context);
    return taken;
}

struct inbox_item *inbox_take(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->lock);
    struct inbox_item *batch = inbox->head;
    inbox->head = NULL;
    inbox->tail = &inbox->head;
    inbox->count = 0;
    pthread_mutex_unlock(&inbox->lock);
    return batch;
}

void inbox_close(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->lock);
    inbox->closed = true;
    pthread_mutex_unlock(&inbox->lock);
}

size_t inbox_count(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->lock);
    size_t count = inbox->count;
    pthread_mutex_unlock(&inbox->lock);
    return count;
}
