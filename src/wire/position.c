#include <roomcast/wire/position.h>

#include <stdlib.h>

#define DIGITS         "0123456789abcdefghijklmnopqrstuvwxyz"
#define BASE           36u
#define CREATED_DIGITS 6u
#define LAST_DIGITS    (EPOCH_LEN_MAX - 1 - CREATED_DIGITS)

/* Writes exactly `count` digits; false when the value has more. */
static bool write_digits(uint64_t value, char *text, unsigned count)
{
    for (unsigned i = count; i-- > 0; value /= BASE)
        text[i] = DIGITS[value % BASE];
    return value == 0;
}

void position_format_empty(const struct position_empty *empty, struct position *ret_position)
{
    *ret_position = (struct position){.epoch = EPOCH_EMPTY};
    char text[EPOCH_LEN_MAX] = "0";
    if (empty->created_s == 0 || !write_digits(empty->created_s, text + 1, CREATED_DIGITS) ||
        !write_digits(empty->last_seq, text + 1 + CREATED_DIGITS, LAST_DIGITS))
        return;
    memcpy(ret_position->epoch, text, sizeof text);
}

static uint64_t read_digits(const char *text, unsigned count)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < count; i++)
        value = value * BASE + (uint64_t)(strchr(DIGITS, text[i]) - DIGITS);
    return value;
}

bool position_parse_empty(const struct position *position, struct position_empty *ret_empty)
{
    if (!position_is_empty(position) || strspn(position->epoch, DIGITS) != EPOCH_LEN_MAX)
        return false;
    *ret_empty = (struct position_empty){
        .created_s = read_digits(position->epoch + 1, CREATED_DIGITS),
        .last_seq = read_digits(position->epoch + 1 + CREATED_DIGITS, LAST_DIGITS),
    };
    return true;
}
