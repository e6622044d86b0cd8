#include "json_load.h"

#include <setjmp.h>
#include <stdlib.h>

#define BLOCKS_FIRST 64u

/* What this thread's parser has allocated. Blocks of its documents are ordinary ones once it has ended. */
struct parsing {
    jmp_buf out_of_memory;
    void **blocks; /* owned; NULL among them: freed since */
    size_t count, capacity;
};

static _Thread_local struct parsing *parsing; /* NULL: none is under way */

static bool note_block(void *block)
{
    if (parsing->count == parsing->capacity) {
        size_t capacity = parsing->capacity ? 2 * parsing->capacity : BLOCKS_FIRST;
        void **blocks = realloc(parsing->blocks, capacity * sizeof *blocks);
        if (!blocks)
            return false;
        parsing->blocks = blocks;
        parsing->capacity = capacity;
    }
    parsing->blocks[parsing->count++] = block;
    return true;
}

static void *watched_malloc(size_t size)
{
    void *block = malloc(size);
    if (!parsing || (block && note_block(block)))
        return block;
    free(block);
    longjmp(parsing->out_of_memory, 1);
}

/* What the parser gives back is mostly what it has just taken. */
static void watched_free(void *block)
{
    for (size_t at = parsing && block ? parsing->count : 0; at > 0; at--) {
        if (parsing->blocks[at - 1] != block)
            continue;
        parsing->blocks[at - 1] = NULL;
        while (parsing->count > 0 && !parsing->blocks[parsing->count - 1])
            parsing->count--;
        break;
    }
    free(block);
}

/* A constructor: jansson may not allocate anything before. */
__attribute__((constructor)) static void watch_allocations(void)
{
    json_set_alloc_funcs(watched_malloc, watched_free);
}

static void free_blocks(struct parsing *abandoned)
{
    for (size_t i = 0; i < abandoned->count; i++)
        free(abandoned->blocks[i]);
}

bool json_guard(void (*use)(void *context), void *context)
{
    struct parsing own = {.count = 0};
    volatile bool finished = false;

    parsing = &own;
    if (setjmp(own.out_of_memory) == 0) {
        use(context);
        finished = true;
    }
    parsing = NULL;
    if (!finished)
        free_blocks(&own);
    free(own.blocks);
    return finished;
}

struct load {
    struct slice text;
    size_t flags;
    json_error_t *error;
    json_t *document;
};

static void load(void *context)
{
    struct load *to = context;

    to->document = json_loadb(to->text.data ? to->text.data : "", to->text.len, to->flags, to->error);
}

enum err json_load(struct slice text, size_t flags, json_t **ret_document, json_error_t *error)
{
    struct load parameters = {.text = text, .flags = flags, .error = error};

    if (!json_guard(load, &parameters))
        return ERR_NO_MEMORY;
    if (!parameters.document)
        return ERR_SYNTAX;
    *ret_document = parameters.document;
    return ERR_OK;
}
