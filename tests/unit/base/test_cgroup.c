/* Over a tree of files that looks like a mounted cgroup tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include <roomcast/base/cgroup.h>

static char root[64];

static void put(const char *group, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s%s/%s", root, group, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void make(const char *group)
{
    char path[256];
    snprintf(path, sizeof path, "%s%s", root, group);
    assert_int_equal(mkdir(path, 0700), 0);
}

static int start(void **state)
{
    (void)state;
    strcpy(root, "/tmp/roomcast-cgroup-XXXXXX");
    assert_non_null(mkdtemp(root));
    make("/a");
    make("/a/b");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command);
}

static bool find(const char *membership, struct cgroup_memory *found)
{
    return cgroup_memory_find_in(root, membership, found);
}

static void expect(const char *membership, uint64_t limit_bytes, const char *group)
{
    struct cgroup_memory found;
    char path[256];
    assert_true(find(membership, &found));
    assert_int_equal(found.limit_bytes, limit_bytes);
    snprintf(path, sizeof path, "%s%s", root, group);
    assert_string_equal(found.group, path);
}

static void the_smallest_limit_of_the_group_and_those_around_it_counts(void **state)
{
    (void)state;
    put("/a/b", "memory.max", "3000\n");
    put("/a/b", "memory.high", "max\n");
    expect("0::/a/b\n", 3000, "/a/b");
    put("/a", "memory.max", "2000\n");
    expect("0::/a/b\n", 2000, "/a");
    put("/a/b", "memory.high", "1000\n");
    expect("0::/a/b\n", 1000, "/a/b");
    put("", "memory.max", "500\n");
    expect("0::/a/b\n", 500, "");
}

static void other_hierarchies_of_the_process_are_passed_over(void **state)
{
    (void)state;
    put("/a", "memory.max", "2000\n");
    expect("4:memory:/elsewhere\n0::/a\n", 2000, "/a");
}

static void a_process_that_sees_only_its_own_part_of_the_tree_is_limited_by_its_root(void **state)
{
    (void)state;
    put("", "memory.max", "700\n");
    struct cgroup_memory found;
    assert_true(find("0::/\n", &found));
    assert_int_equal(found.limit_bytes, 700);
    assert_true(find("0::/../outside\n", &found));
    assert_int_equal(found.limit_bytes, 700);
}

static void without_a_limit_there_is_none(void **state)
{
    (void)state;
    struct cgroup_memory found = {.limit_bytes = 7};
    assert_false(find("0::/a/b\n", &found));
    put("/a/b", "memory.max", "max\n");
    assert_false(find("0::/a/b\n", &found));
    assert_false(find("4:memory:/a/b\n", &found));
    assert_false(find("", &found));
    assert_int_equal(found.limit_bytes, 7);
}

static void what_the_kernel_can_take_back_is_not_used(void **state)
{
    (void)state;
    struct cgroup_memory found;
    put("/a/b", "memory.max", "100000\n");
    put("/a/b", "memory.current", "50000\n");
    put("/a/b", "memory.stat",
        "anon 20000\nfile 25000\ninactive_file 9000\nactive_file 1000\nslab_reclaimable 500\nsock 3\n");
    assert_true(find("0::/a/b\n", &found));
    assert_int_equal(cgroup_memory_used(&found), 50000 - 9000 - 1000 - 500);
    put("/a/b", "memory.current", "5000\n");
    assert_int_equal(cgroup_memory_used(&found), 0);
}

static void a_group_that_has_gone_uses_nothing(void **state)
{
    (void)state;
    const struct cgroup_memory gone = {.limit_bytes = 1, .group = "/nowhere"};
    assert_int_equal(cgroup_memory_used(&gone), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_smallest_limit_of_the_group_and_those_around_it_counts),
        TEST(other_hierarchies_of_the_process_are_passed_over),
        TEST(a_process_that_sees_only_its_own_part_of_the_tree_is_limited_by_its_root),
        TEST(without_a_limit_there_is_none),
        TEST(what_the_kernel_can_take_back_is_not_used),
        TEST(a_group_that_has_gone_uses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
