/* An event loop with its timers, wake-ups and turn hooks (libuv). One loop belongs to one thread.
 *
 * Thread: everything here on the loop's own thread, except loop_wake_send() and, before loop_run(), creation.
 * Callbacks run on the loop's thread. A turn is: timers, wake-ups and sockets, then the turn-end hooks. */
#ifndef ROOMCAST_IO_LOOP_H
#define ROOMCAST_IO_LOOP_H

#include <stdint.h>

#include <roomcast/base/err.h>

struct loop;
typedef void (*loop_callback)(void *context);

enum err loop_new(struct loop **ret_loop) MUST_CHECK;
/* Closes what is still open on it, waits for the library to let go, frees; no callback comes any more.
 * Adapters on it are freed first. Not while running. Accepts NULL, nulls. */
void loop_free(struct loop **loop);
/* Until loop_stop(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* Monotonic milliseconds, read once per turn. */
uint64_t loop_now_ms(const struct loop *loop);

/* Called at the end of each turn, before the loop waits: the place to flush and to reap. In the order of
 * adding. */
enum err loop_add_turn_end(struct loop *loop, loop_callback callback, void *context) MUST_CHECK;

/* From a turn-end hook: work is left, so the next turn takes what has come, without waiting for anything. */
void loop_turn_again(struct loop *loop);

struct loop_timer;
/* First after `first_ms`, then every `repeat_ms` (0: once). Lives until loop_timer_free or loop_free. */
enum err loop_timer_new(struct loop *loop, loop_callback callback, void *context,
                        struct loop_timer **ret_timer) MUST_CHECK;
void loop_timer_start(struct loop_timer *timer, uint64_t first_ms, uint64_t repeat_ms);
void loop_timer_stop(struct loop_timer *timer);
void loop_timer_free(struct loop_timer **timer);

/* Wakes the loop from any thread: the callback runs soon, once after any number of sends that came before it.
 * Costs a system call only when the loop waits. The handle must outlive its senders; it goes with loop_free
 * or loop_wake_free, not within a wake's callback. */
struct loop_wake;
enum err loop_wake_new(struct loop *loop, loop_callback callback, void *context,
                       struct loop_wake **ret_wake) MUST_CHECK;
void loop_wake_send(struct loop_wake *wake);
void loop_wake_free(struct loop_wake **wake);

/* `watch` is called at the end of every turn, after what loop_add_turn_end() asked for: how long the loop has
 * worked since the last one, waiting not counted. One per loop; costs four looks at the clock a turn. */
typedef void (*loop_watcher)(void *context, uint64_t worked_ns);
void loop_watch_turns(struct loop *loop, loop_watcher watch, void *context);

/* Process signals arrive as callbacks on this loop. */
enum err loop_on_signal(struct loop *loop, int signal_number, loop_callback callback,
                        void *context) MUST_CHECK;

/* For adapters in src/io only: the uv_loop_t. */
void *loop_native(struct loop *loop);
/* For adapters in src/io only: called once by loop_free(), after libuv has let go of every handle. The place
 * for what a library wants freed after that. */
enum err loop_at_free(struct loop *loop, loop_callback callback, void *context) MUST_CHECK;

#endif
