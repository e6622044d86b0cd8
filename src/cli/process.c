#include "process.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <roomcast/base/log.h>

extern char **environ;

#define ADMIN_KEY_MIN 16

/* The limit alone would not do: the kernel ignores it when a program collects the dumps. */
static void set_dumps(bool allowed)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_CORE, &limit) == 0) {
        limit.rlim_cur = allowed ? limit.rlim_max : 0;
        setrlimit(RLIMIT_CORE, &limit);
    }
    prctl(PR_SET_DUMPABLE, allowed ? 1 : 0, 0, 0, 0);
}

void process_protect(void)
{
    set_dumps(false);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

bool process_configure(struct config_request *request, struct config **ret_config, int *ret_status)
{
    request->version = ROOMCAST_VERSION;
    request->environment = environ;
    request->output = stdout;
    request->errors = stderr;
    switch (config_load(request, ret_config)) {
    case CONFIG_DONE:
        *ret_status = 0;
        return false;
    case CONFIG_WRONG:
        *ret_status = 2;
        return false;
    case CONFIG_RUN:
        break;
    }
    config_forget_sources(request);
    return true;
}

static bool read_number(const char **text, id_t *ret_id)
{
    char *end;

    if (**text < '0' || **text > '9')
        return false;
    errno = 0;
    unsigned long value = strtoul(*text, &end, 10);
    *text = end;
    *ret_id = (id_t)value;
    return errno == 0 && value < (id_t)-1;
}

/* NULL, or what is wrong with the name. */
static const char *find_user(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
    const char *rest = name;
    id_t uid, gid;

    if (read_number(&rest, &uid) && *rest == ':' && (rest++, read_number(&rest, &gid)) && *rest == '\0') {
        *ret_uid = uid;
        *ret_gid = gid;
        return NULL;
    }
    const struct passwd *entry = getpwnam(name);
    if (!entry)
        return "there is no such user here; give a name, or uid:gid";
    *ret_uid = entry->pw_uid;
    *ret_gid = entry->pw_gid;
    return NULL;
}

/* NULL, or what went wrong. */
static const char *become(const char *name)
{
    uid_t uid;
    gid_t gid;
    const char *why = find_user(name, &uid, &gid);

    if (why || (uid == geteuid() && uid == getuid() && uid != 0))
        return why;
    if (uid == 0 || gid == 0)
        return "it is root's: name an ordinary user";
    if (geteuid() != 0)
        return "only root can become another user";
    /* Supplementary groups last belonged to root: none stay. */
    if (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
        return strerror(errno);
    if (setresuid(0, 0, 0) == 0 || setresgid(0, 0, 0) == 0)
        return "root's rights came back";
    return NULL;
}

bool process_settle(const struct config *config, const char *program)
{
    const char *user = config->process_user;
    const char *why = user[0] ? become(user) : NULL;

    if (why) {
        fprintf(stderr, "%s: process.user = \"%s\": %s\n", program, user, why);
        return false;
    }
    set_dumps(config->process_core_dumps); /* becoming another user has set it anew */
    if (geteuid() == 0)
        log_warn("running_as_root",
                 LOG_TEXT("reason", "nothing here needs it: set process.user, or start it as somebody else"));
    return true;
}

const char *process_check_admin_key(const struct config *config)
{
    if (config->admin_key[0] != '\0' && strlen(config->admin_key) < ADMIN_KEY_MIN)
        return "admin.key is shorter than 16 bytes: make one with `openssl rand -base64 32`";
    return NULL;
}
