#include <roomcast/core/user_quota.h>

#include <assert.h>
#include <stdlib.h>

#include <roomcast/base/hash.h>

struct user_count {
    uint32_t count;
    UT_hash_handle hh;
    char user[]; /* as a key is stored: wire/room_key.h */
};

struct user_quota {
    uint32_t limit;
    struct user_count *users; /* owned; by user */
};

enum err user_quota_new(uint32_t limit, struct user_quota **ret_quota)
{
    struct user_quota *quota = calloc(1, sizeof *quota);
    if (!quota)
        return ERR_NO_MEMORY;
    quota->limit = limit;
    *ret_quota = quota;
    return ERR_OK;
}

void user_quota_free(struct user_quota **quota)
{
    if (!*quota)
        return;
    struct user_count *user, *next;
    HASH_ITER(hh, (*quota)->users, user, next)
    {
        HASH_DELETE(hh, (*quota)->users, user);
        free(user);
    }
    free(*quota);
    *quota = NULL;
}

static struct user_count *find(const struct user_quota *quota, const struct room_key *user)
{
    struct user_count *found;
    HASH_FIND(hh, quota->users, user, ROOM_KEY_BYTES(user), found);
    return found;
}

enum err user_quota_take(struct user_quota *quota, const struct room_key *user)
{
    struct user_count *entry = find(quota, user);
    if ((entry ? entry->count : 0) >= quota->limit)
        return ERR_BUSY;
    if (entry) {
        entry->count++;
        return ERR_OK;
    }
    entry = calloc(1, sizeof *entry + ROOM_KEY_STORED(user));
    if (!entry)
        return ERR_NO_MEMORY;
    memcpy(entry->user, user, ROOM_KEY_STORED(user));
    entry->count = 1;
    HASH_ADD_KEYPTR(hh, quota->users, entry->user, ROOM_KEY_BYTES(user), entry);
    if (!entry->hh.tbl) { /* uthash had no memory */
        free(entry);
        return ERR_NO_MEMORY;
    }
    return ERR_OK;
}

void user_quota_give(struct user_quota *quota, const struct room_key *user)
{
    struct user_count *entry = find(quota, user);
    assert(entry);
    if (--entry->count > 0)
        return;
    HASH_DELETE(hh, quota->users, entry);
    free(entry);
}

uint32_t user_quota_count(const struct user_quota *quota, const struct room_key *user)
{
    const struct user_count *entry = find(quota, user);
    return entry ? entry->count : 0;
}
