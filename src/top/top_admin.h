/* Asks admin listeners for GET /cluster each second, or as often as the fastest process beats, each in a
 * thread of its own so that one that does not answer delays nobody.
 *
 * Thread: new and free on the main one; the callbacks run on the others, several at once. */
#ifndef ROOMCAST_TOP_ADMIN_H
#define ROOMCAST_TOP_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/top/top.h>
#include <roomcast/wire/cluster_json.h>

struct top_admin;

struct top_admin_options {
    const struct top_address *addresses; /* borrowed */
    size_t count;                        /* 1..TOP_ADMINS_MAX */
    cluster_json_visit *on_member;
    void (*on_asked)(void *context, size_t index, bool has_answered); /* after the members of the answer */
    void *context;
};

enum err top_admin_new(const struct top_admin_options *options, struct top_admin **ret_admin) MUST_CHECK;
/* Waits for questions that are open. Accepts NULL, nulls. */
void top_admin_free(struct top_admin **admin);

#endif
