#include <roomcast/core/used_tokens.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/hash.h>

#define ROOM_MIN 64u /* of the heap, at first */

struct used {
    UT_hash_handle hh;
    uint64_t until_s;
    size_t at; /* in the heap */
    bool is_kept;
    unsigned char id[TOKEN_USE_ID_BYTES];
};

struct used_tokens {
    size_t limit;
    struct used *by_id; /* owned */
    struct used **heap; /* the same by `until_s`: none is before the one at (its place - 1) / 2 */
    size_t count, room; /* of the heap */
};

enum err used_tokens_new(size_t limit, struct used_tokens **ret_tokens)
{
    struct used_tokens *tokens = calloc(1, sizeof *tokens);
    if (!tokens)
        return ERR_NO_MEMORY;
    tokens->limit = limit;
    *ret_tokens = tokens;
    return ERR_OK;
}

void used_tokens_free(struct used_tokens **tokens)
{
    struct used *used, *next;
    if (!*tokens)
        return;
    HASH_ITER(hh, (*tokens)->by_id, used, next)
    {
        HASH_DELETE(hh, (*tokens)->by_id, used);
        free(used);
    }
    free((*tokens)->heap);
    free(*tokens);
    *tokens = NULL;
}

/* --- the heap --- */

static void place(struct used_tokens *tokens, struct used *used, size_t at)
{
    tokens->heap[at] = used;
    used->at = at;
}

/* From the free place `at` towards the first. */
static void place_up(struct used_tokens *tokens, struct used *used, size_t at)
{
    while (at > 0 && tokens->heap[(at - 1) / 2]->until_s > used->until_s) {
        place(tokens, tokens->heap[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    place(tokens, used, at);
}

/* From the free place `at` towards the last. */
static void place_down(struct used_tokens *tokens, struct used *used, size_t at)
{
    for (size_t child; (child = 2 * at + 1) < tokens->count; at = child) {
        if (child + 1 < tokens->count && tokens->heap[child + 1]->until_s < tokens->heap[child]->until_s)
            child++;
        if (used->until_s <= tokens->heap[child]->until_s)
            break;
        place(tokens, tokens->heap[child], at);
    }
    place(tokens, used, at);
}

static enum err make_room(struct used_tokens *tokens)
{
    if (tokens->count < tokens->room)
        return ERR_OK;
    size_t room = tokens->room ? 2 * tokens->room : ROOM_MIN;
    struct used **heap = realloc(tokens->heap, room * sizeof(struct used *));
    if (!heap)
        return ERR_NO_MEMORY;
    tokens->heap = heap;
    tokens->room = room;
    return ERR_OK;
}

static void drop(struct used_tokens *tokens, struct used *used)
{
    size_t at = used->at;
    struct used *last = tokens->heap[--tokens->count];
    if (last != used) {
        place_down(tokens, last, at);
        place_up(tokens, last, last->at);
    }
    HASH_DELETE(hh, tokens->by_id, used);
    free(used);
}

/* --- the tokens --- */

static struct used *find(const struct used_tokens *tokens, const unsigned char *id)
{
    struct used *used;
    HASH_FIND(hh, tokens->by_id, id, TOKEN_USE_ID_BYTES, used);
    return used;
}

enum err used_tokens_add(struct used_tokens *tokens, const unsigned char id[TOKEN_USE_ID_BYTES],
                         uint64_t until_s)
{
    if (find(tokens, id))
        return ERR_FORBIDDEN;
    if (tokens->count >= tokens->limit)
        return ERR_BUSY;
    if (make_room(tokens) != ERR_OK)
        return ERR_NO_MEMORY;
    struct used *used = calloc(1, sizeof *used);
    if (!used)
        return ERR_NO_MEMORY;
    used->until_s = until_s;
    memcpy(used->id, id, sizeof used->id);
    HASH_ADD(hh, tokens->by_id, id, sizeof used->id, used);
    if (!used->hh.tbl) { /* uthash had no memory */
        free(used);
        return ERR_NO_MEMORY;
    }
    place_up(tokens, used, tokens->count++);
    return ERR_OK;
}

void used_tokens_keep(struct used_tokens *tokens, const unsigned char id[TOKEN_USE_ID_BYTES])
{
    struct used *used = find(tokens, id);
    if (used)
        used->is_kept = true;
}

void used_tokens_remove(struct used_tokens *tokens, const unsigned char id[TOKEN_USE_ID_BYTES])
{
    struct used *used = find(tokens, id);
    if (used && !used->is_kept)
        drop(tokens, used);
}

void used_tokens_expire(struct used_tokens *tokens, uint64_t now_s, size_t most)
{
    while (most-- > 0 && tokens->count > 0 && tokens->heap[0]->until_s <= now_s)
        drop(tokens, tokens->heap[0]);
}

size_t used_tokens_count(const struct used_tokens *tokens)
{
    return tokens->count;
}
