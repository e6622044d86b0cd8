#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/usage.h>

static void work_takes_processor_time_and_no_more_than_passes(void **state)
{
    (void)state;
    uint64_t cpu = usage_cpu_us(), begin_us = clock_monotonic_us();
    while (usage_cpu_us() < cpu + 20000)
        assert_true(clock_monotonic_us() < begin_us + 30000000);
    assert_true(clock_monotonic_us() - begin_us >= 15000);
}

static void memory_that_is_written_to_is_counted(void **state)
{
    (void)state;
    const size_t size = 32u << 20;
    uint64_t before = usage_memory_bytes();
    volatile char *block = malloc(size);
    assert_non_null(block);
    for (size_t i = 0; i < size; i += 1024)
        block[i] = 1;
    uint64_t after = usage_memory_bytes();
    free((void *)block);
    assert_true(before > 0);
    assert_true(after >= before + size / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_takes_processor_time_and_no_more_than_passes),
        cmocka_unit_test(memory_that_is_written_to_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
