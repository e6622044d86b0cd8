/* What tests of a ws_server have in common that want a harness each: include it once, in the file with
 * main(). */
#ifndef ROOMCAST_TEST_WS_HARNESS_TEST_H
#define ROOMCAST_TEST_WS_HARNESS_TEST_H

#include "ws_harness.h"

static struct harness *harness; /* of the test that runs */

static inline int set_up(void **state)
{
    (void)state;
    harness = harness_start_default();
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    harness_stop(harness);
    return 0;
}

#define WS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
