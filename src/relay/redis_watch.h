/* Which of the relay's Redis connections work: for the log (once per change), the gauge and readiness.
 *
 * Thread: any. Embedded; init and fini. */
#ifndef ROOMCAST_RELAY_REDIS_WATCH_H
#define ROOMCAST_RELAY_REDIS_WATCH_H

#include <pthread.h>
#include <stdbool.h>

#include <roomcast/base/buffer.h>

enum redis_link { REDIS_LINK_STREAM, REDIS_LINK_PUBSUB, REDIS_LINK_COUNT };

struct redis_watch {
    pthread_mutex_t lock;
    bool optional; /* immutable */
    struct {
        bool used, known, up;
        char problem[128];
    } links[REDIS_LINK_COUNT]; /* under lock */
};

void redis_watch_init(struct redis_watch *watch, bool optional);
void redis_watch_fini(struct redis_watch *watch);
/* Before the first report: this link is wanted. */
void redis_watch_use(struct redis_watch *watch, enum redis_link link);
/* Not at work: neither missed nor counted until it is used again. */
void redis_watch_leave(struct redis_watch *watch, enum redis_link link);
/* `problem`: when down. */
void redis_watch_report(struct redis_watch *watch, enum redis_link link, bool up, const char *problem);
/* False, and appends why, while a link that is used and not optional is down. */
bool redis_watch_ready(struct redis_watch *watch, struct buffer *missing);

#endif
