/* One Redis command under construction: borrowed arguments, nothing allocated. */
#ifndef ROOMCAST_IO_REDIS_COMMAND_H
#define ROOMCAST_IO_REDIS_COMMAND_H

#include <assert.h>
#include <stdint.h>
#include <stdio.h>

#include <roomcast/base/slice.h>

#define COMMAND_ARGS_MAX    512
#define COMMAND_NUMBERS_MAX 4

struct command {
    const char *args[COMMAND_ARGS_MAX];
    size_t lens[COMMAND_ARGS_MAX];
    int count;
    char numbers[COMMAND_NUMBERS_MAX][24]; /* storage of number arguments */
    int numbers_count;
};

static inline void command_slice(struct command *command, struct slice value)
{
    assert(command->count < COMMAND_ARGS_MAX);
    command->args[command->count] = value.data ? value.data : "";
    command->lens[command->count++] = value.len;
}

static inline void command_text(struct command *command, const char *text)
{
    command_slice(command, slice_of(text));
}

static inline void command_number(struct command *command, uint64_t number)
{
    assert(command->numbers_count < COMMAND_NUMBERS_MAX);
    char *text = command->numbers[command->numbers_count++];

    snprintf(text, sizeof command->numbers[0], "%llu", (unsigned long long)number);
    command_text(command, text);
}

#endif
