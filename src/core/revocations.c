#include <roomcast/core/revocations.h>

#include <stdlib.h>
#include <string.h>

#include <roomcast/base/hash.h>

#define KINDS (REVOCATION_TOKEN + 1)

struct record {
    UT_hash_handle hh;
    uint64_t at_s, until_s, order, lifted_order;
    uint16_t key_len, most; /* most: revocation_encoded_most() */
    char key[];             /* revocation_key() */
};

struct shard {
    struct record *records; /* owned */
    size_t bytes;           /* `most` of all */
};

struct revocations {
    struct shard shards[REVOCATION_SHARDS];
    size_t counts[KINDS]; /* most questions are answered by what there is none of */
    size_t count;
};

enum err revocations_new(struct revocations **ret_revocations)
{
    struct revocations *revocations = calloc(1, sizeof *revocations);
    if (!revocations)
        return ERR_NO_MEMORY;
    *ret_revocations = revocations;
    return ERR_OK;
}

static void drop(struct revocations *revocations, struct shard *shard, struct record *record)
{
    HASH_DELETE(hh, shard->records, record);
    shard->bytes -= record->most;
    revocations->counts[(unsigned char)record->key[0]]--;
    revocations->count--;
    free(record);
}

void revocations_clear(struct revocations *revocations, unsigned shard)
{
    struct record *record, *next;
    HASH_ITER(hh, revocations->shards[shard].records, record, next)
    {
        drop(revocations, &revocations->shards[shard], record);
    }
}

void revocations_expire(struct revocations *revocations, unsigned shard, uint64_t now_s)
{
    struct record *record, *next;
    HASH_ITER(hh, revocations->shards[shard].records, record, next)
    {
        if (record->until_s <= now_s)
            drop(revocations, &revocations->shards[shard], record);
    }
}

void revocations_free(struct revocations **revocations)
{
    if (!*revocations)
        return;
    for (unsigned shard = 0; shard < REVOCATION_SHARDS; shard++)
        revocations_clear(*revocations, shard);
    free(*revocations);
    *revocations = NULL;
}

/* --- merging --- */

static struct record *add(struct revocations *revocations, struct shard *shard, const char *key, size_t len,
                          const struct revocation *revocation)
{
    struct record *record = calloc(1, sizeof *record + len);
    if (!record)
        return NULL;
    record->key_len = (uint16_t)len;
    record->most = (uint16_t)revocation_encoded_most(revocation);
    memcpy(record->key, key, len);
    HASH_ADD_KEYPTR(hh, shard->records, record->key, len, record);
    if (!record->hh.tbl) { /* uthash had no memory */
        free(record);
        return NULL;
    }
    shard->bytes += record->most;
    revocations->counts[revocation->kind]++;
    revocations->count++;
    return record;
}

static void raise(uint64_t *value, uint64_t to)
{
    if (*value < to)
        *value = to;
}

static enum revocations_merged raise_all(struct record *record, const struct revocation *revocation)
{
    const struct record before = {.at_s = record->at_s,
                                  .until_s = record->until_s,
                                  .order = record->order,
                                  .lifted_order = record->lifted_order};
    raise(&record->at_s, revocation->at_s);
    raise(&record->until_s, revocation->until_s);
    raise(&record->order, revocation->order);
    raise(&record->lifted_order, revocation->lifted_order);
    bool bound = before.order > before.lifted_order, binds = record->order > record->lifted_order;
    if (binds && (!bound || record->at_s > before.at_s))
        return REVOCATIONS_BINDS;
    bool changed = record->at_s != before.at_s || record->until_s != before.until_s ||
                   record->order != before.order || record->lifted_order != before.lifted_order;
    return changed ? REVOCATIONS_CHANGED : REVOCATIONS_SAME;
}

enum revocations_merged revocations_merge(struct revocations *revocations,
                                          const struct revocation *revocation, uint64_t now_s)
{
    char key[REVOCATION_KEY_MAX];
    size_t len = revocation_key(revocation, key);
    unsigned index = revocation_shard(revocation);
    struct shard *shard = &revocations->shards[index];
    struct record *record;
    HASH_FIND(hh, shard->records, key, len, record);
    if (!record) {
        bool is_lift = revocation->order == 0;
        if (is_lift || revocation->until_s <= now_s)
            return REVOCATIONS_SAME;
        size_t most = revocation_encoded_most(revocation);
        if (shard->bytes + most > REVOCATIONS_SHARD_BYTES)
            revocations_expire(revocations, index, now_s);
        if (shard->bytes + most > REVOCATIONS_SHARD_BYTES)
            return REVOCATIONS_FULL;
        record = add(revocations, shard, key, len, revocation);
        if (!record)
            return REVOCATIONS_NO_MEMORY;
    }
    return raise_all(record, revocation);
}

/* --- asking --- */

static bool binds(enum revocation_kind kind, uint64_t at_s, uint64_t issued_at_s)
{
    if (kind == REVOCATION_CHAT || kind == REVOCATION_TOKEN)
        return true;
    return issued_at_s == 0 || issued_at_s <= at_s;
}

static bool is_bound(const struct revocations *revocations, const struct revocation *wanted,
                     uint64_t issued_at_s, uint64_t now_s)
{
    char key[REVOCATION_KEY_MAX];
    struct record *record;
    if (revocations->counts[wanted->kind] == 0)
        return false;
    size_t len = revocation_key(wanted, key);
    HASH_FIND(hh, revocations->shards[revocation_shard(wanted)].records, key, len, record);
    return record && record->order > record->lifted_order && record->until_s > now_s &&
           binds(wanted->kind, record->at_s, issued_at_s);
}

enum revocation_kind revocations_find(const struct revocations *revocations,
                                      const struct token_claims *claims, const struct uuid *chat,
                                      uint64_t now_s)
{
    struct revocation wanted;
    struct room_key user;
    if (revocations->count == 0)
        return 0;
    if (claims->id && revocation_of_token(slice_of(claims->id), &wanted) == ERR_OK &&
        is_bound(revocations, &wanted, claims->issued_at, now_s))
        return REVOCATION_TOKEN;
    user = token_claims_user(claims);
    revocation_of_user(&user, NULL, &wanted);
    if (is_bound(revocations, &wanted, claims->issued_at, now_s))
        return REVOCATION_USER;
    if (!chat)
        return 0;
    revocation_of_chat(chat, &wanted);
    if (is_bound(revocations, &wanted, claims->issued_at, now_s))
        return REVOCATION_CHAT;
    revocation_of_user(&user, chat, &wanted);
    return is_bound(revocations, &wanted, claims->issued_at, now_s) ? REVOCATION_USER_IN_CHAT : 0;
}

uint64_t revocations_latest(const struct revocations *revocations, const struct revocation *key)
{
    char bytes[REVOCATION_KEY_MAX];
    size_t len = revocation_key(key, bytes);
    struct record *record;
    HASH_FIND(hh, revocations->shards[revocation_shard(key)].records, bytes, len, record);
    if (!record)
        return 0;
    return record->order > record->lifted_order ? record->order : record->lifted_order;
}

/* --- the whole of it --- */

size_t revocations_count(const struct revocations *revocations)
{
    return revocations->count;
}

static void to_revocation(const struct record *record, struct revocation *ret_revocation)
{
    const char *key = record->key, *end = record->key + record->key_len;
    *ret_revocation = (struct revocation){
        .kind = (enum revocation_kind)(unsigned char)*key++,
        .at_s = record->at_s,
        .until_s = record->until_s,
        .order = record->order,
        .lifted_order = record->lifted_order,
    };
    if (ret_revocation->kind == REVOCATION_USER_IN_CHAT || ret_revocation->kind == REVOCATION_CHAT) {
        memcpy(ret_revocation->chat.bytes, key, sizeof ret_revocation->chat.bytes);
        key += sizeof ret_revocation->chat.bytes;
    }
    ret_revocation->id_len = (uint8_t)(end - key);
    memcpy(ret_revocation->id, key, ret_revocation->id_len);
}

enum err revocations_copy(const struct revocations *revocations, unsigned shard,
                          struct revocation **ret_records, size_t *ret_count)
{
    const struct shard *from = &revocations->shards[shard];
    size_t count = HASH_COUNT(from->records), at = 0;
    struct revocation *records = NULL;
    if (count > 0 && !(records = calloc(count, sizeof *records)))
        return ERR_NO_MEMORY;
    for (const struct record *record = from->records; record; record = record->hh.next)
        to_revocation(record, &records[at++]);
    *ret_records = records;
    *ret_count = count;
    return ERR_OK;
}
