/* The way of an event to a relay: by Redis, by HTTP, or by request on NATS.   Thread: one; blocks. */
#ifndef ROOMCAST_PUBLISH_PUBLISHER_H
#define ROOMCAST_PUBLISH_PUBLISHER_H

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>
#include <roomcast/publish/publish.h>

#define PUBLISHER_PROBLEM_SIZE 1024

enum publisher_verdict {
    PUBLISHER_STORED,  /* the relay says that NATS has it */
    PUBLISHER_SKIPPED, /* the relay has no row for its type */
    PUBLISHER_ADDED,   /* Redis has it, as `place`; what the relay will say is not heard */
    PUBLISHER_REFUSED, /* this one cannot be published; `problem` says why */
    PUBLISHER_FAILED,  /* nor can any other now; `problem` says why */
};

struct publisher_result {
    enum publisher_verdict verdict;
    char place[64]; /* ADDED: the stream entry's id */
    char problem[PUBLISHER_PROBLEM_SIZE];
};

struct publisher;

/* Borrows from `options`. ERR_CONFIG with `problem` (PUBLISHER_PROBLEM_SIZE); ERR_NO_MEMORY. */
enum err publisher_new(const struct publish_options *options, struct publisher **ret_publisher,
                       char *problem) MUST_CHECK;
/* `event`: JSON text. */
void publisher_send(struct publisher *publisher, struct slice event, struct publisher_result *ret_result);
/* Accepts NULL, nulls. */
void publisher_free(struct publisher **publisher);

#endif
