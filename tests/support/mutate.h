/* Damages valid input in many ways, the same ways on every run, and feeds each result to a parser.
 *
 * The fuzzers in tests/fuzz look for new faults; this keeps every ordinary test run honest, above all under
 * the sanitizers: each input stands in a block of its exact size, so that one byte read too far is noticed.
 */
#ifndef ROOMCAST_TESTS_MUTATE_H
#define ROOMCAST_TESTS_MUTATE_H

#include <stdint.h>
#include <stdlib.h>

#include <roomcast/base/slice.h>

#define MUTATE_GROWTH 64 /* bytes that one round of damage may add */

/* splitmix64: Steele, Lea, Flood 2014. */
static inline uint64_t mutate_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline size_t mutate_below(uint64_t *state, size_t bound)
{
    return bound ? (size_t)(mutate_random(state) % bound) : 0;
}

/* Puts `len` bytes of `what` into the text at `at`. */
static inline size_t mutate_insert(char *text, size_t text_len, size_t at, const char *what, size_t len)
{
    memmove(text + at + len, text + at, text_len - at);
    memcpy(text + at, what, len);
    return text_len + len;
}

static inline size_t mutate_once(char *text, size_t len, uint64_t *state)
{
    static const char *const pieces[] = {
        "\"",   "\\",       "\\ud800", "\\u0000", "{",   "}",    "[",
        "]",    ",",        ":",       "null",    "1e9", "-1",   "\xc3\x28",
        "\xff", "\xed\xa0", ".",       "=",       "*",   "\x80", "9007199254740993"};
    size_t at = mutate_below(state, len), run = mutate_below(state, len - at);
    const char *piece = pieces[mutate_below(state, sizeof pieces / sizeof pieces[0])];
    char copy[MUTATE_GROWTH];

    switch (mutate_random(state) % 6) {
    case 0: /* one bit */
        if (len)
            text[at] = (char)(text[at] ^ (1 << mutate_below(state, 8)));
        return len;
    case 1: /* one byte */
        if (len)
            text[at] = (char)mutate_random(state);
        return len;
    case 2: /* cut off */
        return at;
    case 3: /* cut out */
        memmove(text + at, text + at + run, len - at - run);
        return len - run;
    case 4: /* say twice */
        run = run < sizeof copy ? run : sizeof copy;
        memcpy(copy, text + at, run);
        return mutate_insert(text, len, at, copy, run);
    default: /* something that parsers trip over */
        return mutate_insert(text, len, at, piece, strlen(piece));
    }
}

/* `rounds` inputs made from the seeds in turn, each damaged one to four times. */
static inline void mutate_each(const struct slice *seeds, size_t count, unsigned rounds,
                               void (*feed)(struct slice input))
{
    uint64_t state = 20261123;

    for (unsigned round = 0; round < rounds; round++) {
        struct slice seed = seeds[round % count];
        char *text = malloc(seed.len + 4 * MUTATE_GROWTH);
        if (!text)
            abort();
        memcpy(text, seed.data, seed.len);
        size_t len = seed.len;
        for (size_t times = 1 + mutate_below(&state, 4); times > 0; times--)
            len = mutate_once(text, len, &state);
        char *exact = malloc(len ? len : 1);
        if (!exact)
            abort();
        memcpy(exact, text, len);
        feed((struct slice){exact, len});
        free(exact);
        free(text);
    }
}

#endif
