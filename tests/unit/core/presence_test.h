/* Shorter words for the tests of core/presence. Include it after what is under test. */
#ifndef ROOMCAST_TESTS_PRESENCE_TEST_H
#define ROOMCAST_TESTS_PRESENCE_TEST_H

#include <roomcast/core/presence.h>

static inline void visit_nobody(void *context, const struct room_key *user, bool online)
{
    (void)context;
    (void)user;
    (void)online;
    fail_msg("nobody is to be told of");
}

/* Settled, with nobody in it. */
static inline enum err new_settled(uint64_t leave_delay_ms, struct presence **ret_presence)
{
    enum err err = presence_new(leave_delay_ms, ret_presence);
    if (err == ERR_OK)
        presence_settle(*ret_presence, visit_nobody, NULL);
    return err;
}

/* A word of a release that counts no versions. */
static inline enum err say(struct presence *presence, struct slice node, const struct room_key *user,
                           bool online, struct presence_change *ret_change)
{
    struct presence_word word = {.node = node, .user = user, .online = online};
    return presence_remote(presence, &word, 0, ret_change);
}

/* All that a node of such a release has. */
static inline enum err say_all(struct presence *presence, struct slice node, const struct room_key *users,
                               size_t count, presence_visit visit, void *context)
{
    struct presence_page page = {.node = node, .users = users, .count = count};
    return presence_snapshot(presence, &page, 0, visit, context);
}

#endif
