#include <roomcast/core/user_quota.h>

#include <assert.h>
#include <stdlib.h>

#include <roomcast/core/room_table.h>

struct user_count {
    struct room_entry entry; /* first */
    uint32_t count;
    char user[]; /* as a key is stored: wire/room_key.h */
};

struct user_quota {
    uint32_t limit;
    struct room_table users; /* of struct user_count, owned */
};

enum err user_quota_new(uint32_t limit, struct user_quota **ret_quota)
{
    struct user_quota *quota = calloc(1, sizeof *quota);
    if (!quota)
        return ERR_NO_MEMORY;
    if (room_table_init(&quota->users) != ERR_OK) {
        free(quota);
        return ERR_NO_MEMORY;
    }
    quota->limit = limit;
    *ret_quota = quota;
    return ERR_OK;
}

static void free_user(struct room_entry *entry)
{
    free((struct user_count *)entry);
}

void user_quota_free(struct user_quota **quota)
{
    if (!*quota)
        return;
    room_table_fini(&(*quota)->users, free_user);
    free(*quota);
    *quota = NULL;
}

static struct user_count *find(const struct user_quota *quota, const struct room_key *user)
{
    return (struct user_count *)room_table_find(&quota->users, user);
}

enum err user_quota_take(struct user_quota *quota, const struct room_key *user)
{
    struct user_count *counted = find(quota, user);
    if ((counted ? counted->count : 0) >= quota->limit)
        return ERR_BUSY;
    if (counted) {
        counted->count++;
        return ERR_OK;
    }
    counted = calloc(1, sizeof *counted + ROOM_KEY_STORED(user));
    if (!counted)
        return ERR_NO_MEMORY;
    memcpy(counted->user, user, ROOM_KEY_STORED(user));
    counted->count = 1;
    counted->entry.key = counted->user;
    room_table_add(&quota->users, &counted->entry);
    return ERR_OK;
}

void user_quota_give(struct user_quota *quota, const struct room_key *user)
{
    struct user_count *counted = find(quota, user);
    assert(counted);
    if (--counted->count > 0)
        return;
    room_table_remove(&quota->users, &counted->entry);
    free(counted);
}

uint32_t user_quota_count(const struct user_quota *quota, const struct room_key *user)
{
    const struct user_count *counted = find(quota, user);
    return counted ? counted->count : 0;
}
