/* How many connections each user has here, against a limit.
 *
 * Owns: one entry per user with connections.   Thread: callers take turns (the node holds a lock around it).
 */
#ifndef ROOMCAST_CORE_USER_QUOTA_H
#define ROOMCAST_CORE_USER_QUOTA_H

#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/wire/room_key.h>

struct user_quota;

enum err user_quota_new(uint32_t limit, struct user_quota **ret_quota) MUST_CHECK;
void user_quota_free(struct user_quota **quota);
/* ERR_BUSY: the user has as many as allowed. ERR_NO_MEMORY. Otherwise pair with one user_quota_give. */
enum err user_quota_take(struct user_quota *quota, const struct room_key *user) MUST_CHECK;
void user_quota_give(struct user_quota *quota, const struct room_key *user);
uint32_t user_quota_count(const struct user_quota *quota, const struct room_key *user);

#endif
