#include "web_file.h"

#include <string.h>
#include <strings.h>

#include <roomcast/base/metrics.h>

/* Moves over the next element of a comma-separated list (RFC 9110 section 5.6.1). */
static struct slice next_element(struct slice *list)
{
    const char *comma = memchr(list->data, ',', list->len);
    struct slice element = {list->data, comma ? (size_t)(comma - list->data) : list->len};
    size_t taken = element.len + (comma ? 1 : 0);
    *list = (struct slice){list->data + taken, list->len - taken};
    return slice_trim(element);
}

/* "gzip", "gzip;q=0.5"; not "gzip;q=0" in any of its spellings (section 12.4.2). What is no proper weight is
 * none: then the bytes go out as they are. */
static bool allows(struct slice element, const char *coding)
{
    size_t len = strlen(coding);
    if (element.len < len || strncasecmp(element.data, coding, len) != 0)
        return false;
    struct slice weight = {element.data + len, element.len - len};
    if (weight.len == 0)
        return true;
    for (size_t at = 0; at < weight.len; at++) {
        if (weight.data[at] >= '1' && weight.data[at] <= '9')
            return weight.data[0] == ';' || weight.data[0] == ' ';
    }
    return false;
}

bool web_file_takes_gzip(struct slice accept_encoding)
{
    while (accept_encoding.len > 0) {
        if (allows(next_element(&accept_encoding), "gzip"))
            return true;
    }
    return false;
}

/* Weak comparison (section 8.8.3.2). */
static bool has_tag(struct slice if_none_match, const char *etag)
{
    while (if_none_match.len > 0) {
        struct slice tag = next_element(&if_none_match);
        if (slice_equal(tag, SLICE_LITERAL("*")))
            return true;
        if (tag.len > 2 && memcmp(tag.data, "W/", 2) == 0)
            tag = (struct slice){tag.data + 2, tag.len - 2};
        if (slice_equal(tag, slice_of(etag)))
            return true;
    }
    return false;
}

const struct web_asset *web_file_find(const struct ws_request *request)
{
    if (request->is_upgrade || request->fault)
        return NULL;
    return web_asset_find(WEB_PUBLIC, request->path);
}

bool web_file_is_read(const struct ws_request *request)
{
    return slice_equal(request->method, SLICE_LITERAL("GET")) ||
           slice_equal(request->method, SLICE_LITERAL("HEAD"));
}

struct ws_file web_file_answer(const struct web_asset *asset, const struct ws_request *request)
{
    bool compressed = web_file_takes_gzip(request->accept_encoding);
    struct ws_file file = {
        .content_type = asset->content_type,
        .etag = asset->etag,
        .coding = compressed ? "gzip" : NULL,
        .bytes = compressed ? asset->gzip : asset->bytes,
        .unchanged = has_tag(request->if_none_match, asset->etag),
    };
    metrics_inc(file.unchanged ? METRIC_FILES_UNCHANGED : METRIC_FILES_SENT);
    return file;
}
