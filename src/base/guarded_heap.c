#include <roomcast/base/guarded_heap.h>

#include <setjmp.h>
#include <stdlib.h>

#define BLOCKS_FIRST 64u

/* What the library has allocated since it began, in this thread. */
struct guard {
    jmp_buf out_of_memory;
    void **blocks; /* owned; NULL among them: freed since */
    size_t count, capacity;
};

static _Thread_local struct guard *guard; /* NULL: nothing is guarded */

static bool note_block(void *block)
{
    if (guard->count == guard->capacity) {
        size_t capacity = guard->capacity ? 2 * guard->capacity : BLOCKS_FIRST;
        void **blocks = realloc(guard->blocks, capacity * sizeof *blocks);
        if (!blocks)
            return false;
        guard->blocks = blocks;
        guard->capacity = capacity;
    }
    guard->blocks[guard->count++] = block;
    return true;
}

void *guarded_malloc(size_t size)
{
    void *block = malloc(size);
    if (!guard || (block && note_block(block)))
        return block;
    free(block);
    longjmp(guard->out_of_memory, 1);
}

/* What is given back is mostly what has just been taken. */
void guarded_free(void *block)
{
    for (size_t at = guard && block ? guard->count : 0; at > 0; at--) {
        if (guard->blocks[at - 1] != block)
            continue;
        guard->blocks[at - 1] = NULL;
        while (guard->count > 0 && !guard->blocks[guard->count - 1])
            guard->count--;
        break;
    }
    free(block);
}

static void free_blocks(const struct guard *abandoned)
{
    for (size_t i = 0; i < abandoned->count; i++)
        free(abandoned->blocks[i]);
}

bool guarded_run(void (*use)(void *context), void *context)
{
    struct guard own = {.count = 0};
    volatile bool finished = false;

    guard = &own;
    if (setjmp(own.out_of_memory) == 0) {
        use(context);
        finished = true;
    }
    guard = NULL;
    if (!finished)
        free_blocks(&own);
    free(own.blocks);
    return finished;
}
