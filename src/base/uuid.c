#include <roomcast/base/uuid.h>

#include <roomcast/base/random.h>

/* Where the hyphens stand in the text form 8-4-4-4-12. */
static bool hyphen_at(size_t index)
{
    return index == 8 || index == 13 || index == 18 || index == 23;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum err uuid_parse(struct slice text, struct uuid *ret_uuid)
{
    struct uuid uuid = {{0}};
    size_t digits = 0;

    if (text.len != UUID_TEXT_LEN)
        return ERR_SYNTAX;
    for (size_t i = 0; i < UUID_TEXT_LEN; i++) {
        if (hyphen_at(i)) {
            if (text.data[i] != '-')
                return ERR_SYNTAX;
            continue;
        }
        int value = hex_value(text.data[i]);
        if (value < 0)
            return ERR_SYNTAX;
        uuid.bytes[digits / 2] = (unsigned char)(uuid.bytes[digits / 2] << 4 | value);
        digits++;
    }
    *ret_uuid = uuid;
    return ERR_OK;
}

void uuid_format(const struct uuid *uuid, char *text)
{
    static const char hex[] = "0123456789abcdef";
    size_t digits = 0;

    for (size_t i = 0; i < UUID_TEXT_LEN; i++) {
        if (hyphen_at(i)) {
            text[i] = '-';
            continue;
        }
        unsigned char byte = uuid->bytes[digits / 2];
        text[i] = hex[digits % 2 ? byte & 0xf : byte >> 4];
        digits++;
    }
    text[UUID_TEXT_LEN] = '\0';
}

void uuid_generate_random(struct uuid *ret_uuid)
{
    random_bytes(ret_uuid->bytes, sizeof ret_uuid->bytes);
    /* RFC 9562 section 5.4: the version in the high half of byte 6, the variant in the top bits of byte 8. */
    ret_uuid->bytes[6] = (unsigned char)((ret_uuid->bytes[6] & 0x0f) | 0x40);
    ret_uuid->bytes[8] = (unsigned char)((ret_uuid->bytes[8] & 0x3f) | 0x80);
}

bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
