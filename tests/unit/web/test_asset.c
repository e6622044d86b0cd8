/* The files inside the program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <zlib.h>

#include <roomcast/web/asset.h>

#include "assets_table.h"

static void unpack(struct slice gzip, char *out, size_t size, size_t *ret_len)
{
    z_stream stream = {.next_in = (unsigned char *)(uintptr_t)gzip.data,
                       .avail_in = (unsigned)gzip.len,
                       .next_out = (unsigned char *)out,
                       .avail_out = (unsigned)size};
    assert_int_equal(Z_OK, inflateInit2(&stream, 16 + MAX_WBITS));
    assert_int_equal(Z_STREAM_END, inflate(&stream, Z_FINISH));
    assert_int_equal(0, stream.avail_in);
    *ret_len = stream.total_out;
    inflateEnd(&stream);
}

static void is_whole(enum web_listener listener, const char *path, const char *type)
{
    static char text[1024 * 1024];
    size_t len;
    const struct web_asset *asset = web_asset_find(listener, slice_of(path));

    assert_non_null(asset);
    assert_string_equal(type, asset->content_type);
    assert_true(asset->bytes.len > 0);
    assert_int_equal('"', asset->etag[0]);
    assert_int_equal('"', asset->etag[strlen(asset->etag) - 1]);
    unpack(asset->gzip, text, sizeof text, &len);
    assert_true(slice_equal(asset->bytes, (struct slice){text, len}));
}

static void every_file_is_found_with_its_bytes_and_the_same_compressed(void **state)
{
    (void)state;
#define IS_WHOLE(name, listener, path, file, type) is_whole(listener, path, type);
    WEB_ASSETS(IS_WHOLE)
}

static void each_listener_serves_its_own_files_and_nothing_else(void **state)
{
    (void)state;
    assert_non_null(web_asset_find(WEB_PUBLIC, SLICE_LITERAL("/roomcast.js")));
    assert_null(web_asset_find(WEB_ADMIN, SLICE_LITERAL("/roomcast.js")));
    assert_null(web_asset_find(WEB_PUBLIC, SLICE_LITERAL("/roomcast.j")));
    assert_null(web_asset_find(WEB_PUBLIC, SLICE_LITERAL("/")));
    assert_null(web_asset_find(WEB_PUBLIC, SLICE_LITERAL("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file_is_found_with_its_bytes_and_the_same_compressed),
        cmocka_unit_test(each_listener_serves_its_own_files_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
