#include "origin.h"

#include <string.h>
#include <strings.h>

static bool equal_ignoring_case(struct slice a, struct slice b)
{
    return a.len == b.len && strncasecmp(a.data, b.data, a.len) == 0;
}

static bool matches(struct slice pattern, struct slice origin)
{
    if (slice_equal(pattern, SLICE_LITERAL("*")))
        return true;
    const char *star = memchr(pattern.data, '*', pattern.len);
    if (!star)
        return equal_ignoring_case(pattern, origin);
    struct slice before = {pattern.data, (size_t)(star - pattern.data)};
    struct slice after = {star + 1, pattern.len - before.len - 1};
    if (origin.len <= before.len + after.len) /* the star stands for at least one character */
        return false;
    struct slice head = {origin.data, before.len};
    struct slice middle = {origin.data + before.len, origin.len - before.len - after.len};
    struct slice tail = {origin.data + origin.len - after.len, after.len};
    return equal_ignoring_case(before, head) && equal_ignoring_case(after, tail) &&
           !memchr(middle.data, '/', middle.len);
}

static bool is_own(struct slice origin, struct slice host)
{
    const char *scheme_end = memmem(origin.data, origin.len, "://", 3);
    if (!scheme_end || host.len == 0)
        return false;
    struct slice authority = {scheme_end + 3, (size_t)(origin.data + origin.len - (scheme_end + 3))};
    return equal_ignoring_case(authority, host);
}

bool origin_allowed(const struct config_list *patterns, struct slice origin, struct slice host)
{
    if (origin.len == 0)
        return true;
    if (patterns->count == 0)
        return is_own(origin, host);
    for (size_t i = 0; i < patterns->count; i++) {
        if (matches(slice_of(patterns->items[i]), origin))
            return true;
    }
    return false;
}
