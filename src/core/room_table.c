#include <roomcast/core/room_table.h>

#include <assert.h>
#include <stdlib.h>

#include <roomcast/base/hash.h>

#define BUCKETS_AT_FIRST   16 /* a power of two, as the capacity always is */
#define ENTRIES_PER_BUCKET 2

enum err room_table_init(struct room_table *table)
{
    struct room_entry **buckets = calloc(BUCKETS_AT_FIRST, sizeof *buckets);
    if (!buckets)
        return ERR_NO_MEMORY;
    *table = (struct room_table){.buckets = buckets, .size = BUCKETS_AT_FIRST, .capacity = BUCKETS_AT_FIRST};
    return ERR_OK;
}

void room_table_fini(struct room_table *table, void (*free_entry)(struct room_entry *entry))
{
    assert(free_entry || table->count == 0);
    for (uint32_t i = 0; i < table->size; i++) {
        while (table->buckets[i]) {
            struct room_entry *entry = table->buckets[i];
            table->buckets[i] = entry->next;
            free_entry(entry);
        }
    }
    free(table->buckets);
    *table = (struct room_table){.buckets = NULL};
}

/* The capacity's bits of the hash name a bucket. What belongs into one that is not in use yet is still in the
 * one that it will be split from, which has one bit less. */
static uint32_t bucket_of(const struct room_table *table, const char *key)
{
    uint32_t hash = hash_bytes(key, 2u + (unsigned char)key[1]);
    uint32_t bucket = hash & (table->capacity - 1);

    return bucket < table->size ? bucket : bucket - table->capacity / 2;
}

struct room_entry *room_table_find(const struct room_table *table, const struct room_key *key)
{
    struct room_entry *entry = table->buckets[bucket_of(table, (const char *)key)];

    while (entry && !room_key_is_stored(entry->key, key))
        entry = entry->next;
    return entry;
}

static void push(struct room_table *table, struct room_entry *entry)
{
    struct room_entry **bucket = &table->buckets[bucket_of(table, entry->key)];

    entry->next = *bucket;
    *bucket = entry;
}

/* One bucket more: about half of the entries of another one move into it. */
static void grow(struct room_table *table)
{
    if (table->size == table->capacity) {
        struct room_entry **grown = realloc(table->buckets, 2 * (size_t)table->capacity * sizeof *grown);
        if (!grown)
            return;
        table->buckets = grown;
        table->capacity *= 2;
    }
    uint32_t split = table->size - table->capacity / 2;
    struct room_entry *entry = table->buckets[split];
    table->buckets[split] = table->buckets[table->size] = NULL;
    table->size++;
    while (entry) {
        struct room_entry *next = entry->next;
        push(table, entry);
        entry = next;
    }
}

void room_table_add(struct room_table *table, struct room_entry *entry)
{
    push(table, entry);
    table->count++;
    if (table->count > ENTRIES_PER_BUCKET * table->size)
        grow(table);
}

void room_table_remove(struct room_table *table, struct room_entry *entry)
{
    struct room_entry **link = &table->buckets[bucket_of(table, entry->key)];

    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    table->count--;
}
