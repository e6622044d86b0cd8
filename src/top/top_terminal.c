#include "top_terminal.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define FRAME_MAX      (1u << 20)
#define PLAIN_WIDTH    200
#define PLAIN_HEIGHT   10000
#define DEFAULT_WIDTH  80
#define DEFAULT_HEIGHT 24

/* ECMA-48, and xterm's alternate screen (1049) and cursor (25). */
#define ENTER      "\x1b[?1049h\x1b[?25l\x1b[2J"
#define LEAVE      "\x1b[0m\x1b[?25h\x1b[?1049l"
#define HOME       "\x1b[H"
#define CLEAR_LINE "\x1b[K"
#define CLEAR_REST "\x1b[J"
#define STYLE_OFF  "\x1b[0m"

static const char *const style_codes[] = {
    [TOP_PLAIN] = NULL,         [TOP_TITLE] = "\x1b[1m",    [TOP_HEADING] = "\x1b[7m",
    [TOP_WARNING] = "\x1b[33m", [TOP_ALARM] = "\x1b[1;31m",
};

bool top_terminal_write(struct top_terminal *terminal, struct slice text)
{
    (void)terminal;
    while (text.len > 0) {
        ssize_t written = write(STDOUT_FILENO, text.data, text.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        text = (struct slice){text.data + written, text.len - (size_t)written};
    }
    return true;
}

static void enter(struct top_terminal *terminal)
{
    if (terminal->has_keys) {
        struct termios raw = terminal->as_it_was;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        raw.c_cc[VMIN] = 0;
        raw.c_cc[VTIME] = 0;
        tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    }
    if (terminal->is_screen && !top_terminal_write(terminal, SLICE_LITERAL(ENTER)))
        terminal->is_screen = false;
}

static void leave(struct top_terminal *terminal)
{
    /* Where it cannot be written any more, nobody is there to see it. */
    if (terminal->is_screen && !top_terminal_write(terminal, SLICE_LITERAL(LEAVE)))
        terminal->is_screen = false;
    if (terminal->has_keys)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal->as_it_was);
}

static bool can_draw(void)
{
    const char *name = getenv("TERM");
    return isatty(STDOUT_FILENO) && name && name[0] && strcmp(name, "dumb") != 0;
}

enum err top_terminal_open(struct top_terminal *terminal, bool wants_screen)
{
    static const int taken[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        sigaddset(&set, taken[i]);
    *terminal = (struct top_terminal){.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)};
    if (terminal->signals < 0)
        return ERR_IO;
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    buffer_init(&terminal->frame, FRAME_MAX);
    terminal->is_screen = wants_screen && can_draw();
    terminal->has_keys = terminal->is_screen && tcgetattr(STDIN_FILENO, &terminal->as_it_was) == 0;
    enter(terminal);
    return ERR_OK;
}

void top_terminal_close(struct top_terminal *terminal)
{
    leave(terminal);
    close(terminal->signals);
    buffer_fini(&terminal->frame);
}

void top_terminal_size(const struct top_terminal *terminal, unsigned *ret_width, unsigned *ret_height)
{
    struct winsize size = {0};
    *ret_width = terminal->is_screen ? DEFAULT_WIDTH : PLAIN_WIDTH;
    *ret_height = terminal->is_screen ? DEFAULT_HEIGHT : PLAIN_HEIGHT;
    if (terminal->is_screen && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 &&
        size.ws_row > 0) {
        *ret_width = size.ws_col;
        *ret_height = size.ws_row;
    }
}

void top_terminal_begin(struct top_terminal *terminal)
{
    buffer_clear(&terminal->frame);
}

/* Lines are separated, not ended: an end of line in the last row would scroll the screen. */
void top_terminal_line(void *context, enum top_style style, struct slice text)
{
    struct top_terminal *terminal = context;
    struct buffer *frame = &terminal->frame;
    if (!terminal->is_screen) {
        buffer_append_slice(frame, text);
        buffer_append_char(frame, '\n');
        return;
    }
    buffer_append_text(frame, frame->len == 0 ? HOME : "\r\n");
    if (style_codes[style])
        buffer_append_text(frame, style_codes[style]);
    buffer_append_slice(frame, text);
    if (style_codes[style])
        buffer_append_text(frame, STYLE_OFF);
    buffer_append_text(frame, CLEAR_LINE);
}

bool top_terminal_end(struct top_terminal *terminal)
{
    buffer_append_text(&terminal->frame, terminal->is_screen ? CLEAR_REST : "\n");
    return top_terminal_write(terminal, buffer_slice(&terminal->frame));
}

/* --- waiting --- */

static enum top_wake take_signal(struct top_terminal *terminal)
{
    struct signalfd_siginfo info;
    if (read(terminal->signals, &info, sizeof info) != (ssize_t)sizeof info)
        return TOP_WAKE_DRAW;
    if (info.ssi_signo == SIGTSTP) {
        leave(terminal);
        kill(getpid(), SIGSTOP);
        enter(terminal);
        return TOP_WAKE_DRAW;
    }
    return info.ssi_signo == SIGWINCH ? TOP_WAKE_DRAW : TOP_WAKE_END;
}

static enum top_wake take_key(char *ret_key)
{
    if (read(STDIN_FILENO, ret_key, 1) != 1)
        return TOP_WAKE_END; /* the terminal has gone */
    if (*ret_key == 'q' || *ret_key == 'Q')
        return TOP_WAKE_END;
    return *ret_key == ' ' ? TOP_WAKE_DRAW : TOP_WAKE_KEY;
}

enum top_wake top_terminal_wait(struct top_terminal *terminal, uint64_t timeout_ms, char *ret_key)
{
    struct pollfd descriptors[] = {
        {.fd = terminal->signals, .events = POLLIN},
        {.fd = terminal->has_keys ? STDIN_FILENO : -1, .events = POLLIN},
    };
    int count = poll(descriptors, 2, timeout_ms > INT32_MAX ? INT32_MAX : (int)timeout_ms);
    if (count <= 0)
        return TOP_WAKE_TIME;
    return descriptors[0].revents ? take_signal(terminal) : take_key(ret_key);
}
