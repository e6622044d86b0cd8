/* One question at a time on NATS, and its answer.   Thread: one; blocks. */
#ifndef ROOMCAST_PUBLISH_NATS_ASKER_H
#define ROOMCAST_PUBLISH_NATS_ASKER_H

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>
#include <roomcast/io/bus.h>

#define NATS_ASKER_PROBLEM_SIZE 256

struct nats_asker;

/* Connects in the background. Borrows what the options borrow. ERR_CONFIG with `problem`
 * (NATS_ASKER_PROBLEM_SIZE); ERR_NO_MEMORY. */
enum err nats_asker_new(const struct bus_nats_options *options, struct nats_asker **ret_asker,
                        char *problem) MUST_CHECK;
/* False: no server let it in yet, not within `timeout_ms` either. */
bool nats_asker_connect(struct nats_asker *asker, uint64_t timeout_ms);
/* Appends what was answered. Not GIVEN: `problem` says why. */
enum bus_answer_status nats_asker_ask(struct nats_asker *asker, const char *subject, struct slice data,
                                      uint64_t timeout_ms, struct buffer *body, char *problem);
/* Accepts NULL, nulls. */
void nats_asker_free(struct nats_asker **asker);

#endif
