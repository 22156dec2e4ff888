/*
 * Loaded before libc: numbers every storage call below a folder, and lets one of them fail or be the last.
 *
 * Python, SQLite, DuckDB and polars all reach the disk through these functions, so that a step here is a step of
 * any of them. The plan lies in a small shared file, so that processes started by the one under test count on.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum fault { NONE, KILL, FULL, BROKEN };
enum step { READ, CHANGE, GROW };

struct plan {
    atomic_long steps[4]; /* so far, by the fault that they would be counted for */
    long at;           /* the step at which the fault happens, from 1 */
    long fault;
    atomic_long met; /* how often it has happened */
    char under[PATH_MAX];
};

static struct plan *plan;

#define REAL(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))

/* Follow the plan in the file *path*; with NULL none. */
void storage_plan(const char *path) {
    plan = NULL;
    if (!path || !*path)
        return;
    int file = REAL(open)(path, O_RDWR | O_CLOEXEC);
    if (file < 0)
        return;
    void *shared = mmap(NULL, sizeof(struct plan), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (shared != MAP_FAILED)
        plan = shared;
}

__attribute__((constructor)) static void inherit(void) { storage_plan(getenv("STORAGE_PLAN")); }

static int counts(const char *path) {
    size_t length = plan ? strlen(plan->under) : 0;
    return plan && !strncmp(path, plan->under, length) && (path[length] == '/' || !path[length]);
}

static int named(int folder, const char *path) {
    char whole[PATH_MAX * 2] = "";
    if (!plan || !path)
        return 0;
    if (*path == '/')
        return counts(path);
    if (folder == AT_FDCWD) {
        if (!getcwd(whole, PATH_MAX))
            return 0;
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = readlink(link, whole, PATH_MAX - 1);
        if (length < 0)
            return 0;
        whole[length] = 0;
    }
    strcat(whole, "/");
    strncat(whole, path, PATH_MAX - 1);
    return counts(whole);
}

static int opened(int file) {
    char link[64], path[PATH_MAX];
    if (!plan)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return counts(path);
}

static void die(void) {
    plan->met++;
    kill(0, SIGKILL); /* the whole group, as a power cut would */
    for (;;)
        pause();
}

/* Count a step; return whether it fails, with errno set. A kill counts a write twice: before it and half-way. */
static int meets(enum step kind) {
    long number = 0;
    for (int fault = KILL; fault <= BROKEN; fault++) {
        int applies = fault == BROKEN || kind == GROW || (fault == KILL && kind == CHANGE);
        long step = applies ? ++plan->steps[fault] : 0;
        if (fault == plan->fault)
            number = step;
    }
    if (!number || number < plan->at || !plan->at)
        return 0;
    if (plan->fault == FULL) { /* and stays full */
        plan->met++;
        errno = ENOSPC;
        return 1;
    }
    if (number > plan->at)
        return 0;
    if (plan->fault == KILL)
        die();
    plan->met++;
    errno = EIO;
    return 1;
}

/* As meets(), for a write of *many* bytes; -1: it fails, else how many of them are written. */
static ssize_t lets(int file, size_t many, off_t at) {
    struct stat status;
    enum step kind = CHANGE;
    if (!fstat(file, &status) && S_ISREG(status.st_mode) && at + (off_t)many > status.st_size)
        kind = GROW;
    long before = plan->met;
    if (!meets(kind)) {
        return plan->at == ++plan->steps[KILL] && plan->fault == KILL ? (ssize_t)many / 2 : (ssize_t)many;
    }
    return plan->fault == FULL && !before && many > 1 ? (ssize_t)many / 2 : -1;
}

static void after(size_t wanted, size_t written) {
    if (plan->fault == KILL && written < wanted)
        die();
}

#define STEP_AT(test, kind, call) (((test) && meets(kind)) ? -1 : (call))

static int creates(const char *path, int flags) {
    return (flags & O_CREAT) && faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW);
}

static enum step opening(const char *path, int flags) {
    if (creates(path, flags))
        return GROW;
    return flags & O_TRUNC ? CHANGE : READ;
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = va_arg(rest, mode_t);                                                                            \
        va_end(rest);                                                                                                  \
        return STEP_AT(named(AT_FDCWD, path), opening(path, flags), REAL(name)(path, flags, mode));                    \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                                                   \
    int name(int folder, const char *path, int flags, ...) {                                                           \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = va_arg(rest, mode_t);                                                                            \
        va_end(rest);                                                                                                  \
        return STEP_AT(named(folder, path), opening(path, flags), REAL(name)(folder, path, flags, mode));              \
    }
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int file, const void *data, size_t many) {
    if (!opened(file))
        return REAL(write)(file, data, many);
    off_t at = lseek(file, 0, SEEK_CUR);
    ssize_t lets_by = lets(file, many, at);
    if (lets_by < 0)
        return -1;
    ssize_t written = REAL(write)(file, data, lets_by);
    after(many, lets_by);
    return written;
}

#define PWRITE(name, offset)                                                                                           \
    ssize_t name(int file, const void *data, size_t many, offset at) {                                                 \
        if (!opened(file))                                                                                             \
            return REAL(name)(file, data, many, at);                                                                   \
        ssize_t lets_by = lets(file, many, at);                                                                        \
        if (lets_by < 0)                                                                                               \
            return -1;                                                                                                 \
        ssize_t written = REAL(name)(file, data, lets_by, at);                                                         \
        after(many, lets_by);                                                                                          \
        return written;                                                                                                \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int file, const struct iovec *parts, int many) { /* by its first part: callers go on with the rest */
    if (!opened(file) || !many)
        return REAL(writev)(file, parts, many);
    return write(file, parts[0].iov_base, parts[0].iov_len);
}

ssize_t read(int file, void *data, size_t many) {
    return STEP_AT(opened(file), READ, REAL(read)(file, data, many));
}
ssize_t pread(int file, void *data, size_t many, off_t at) {
    return STEP_AT(opened(file), READ, REAL(pread)(file, data, many, at));
}
ssize_t pread64(int file, void *data, size_t many, off64_t at) {
    return STEP_AT(opened(file), READ, REAL(pread64)(file, data, many, at));
}
ssize_t readv(int file, const struct iovec *parts, int many) {
    return STEP_AT(opened(file), READ, REAL(readv)(file, parts, many));
}
int fsync(int file) { return STEP_AT(opened(file), CHANGE, REAL(fsync)(file)); }
int fdatasync(int file) { return STEP_AT(opened(file), CHANGE, REAL(fdatasync)(file)); }

static enum step growth(int file, off_t size) {
    struct stat status;
    return !fstat(file, &status) && size > status.st_size ? GROW : CHANGE;
}
int ftruncate(int file, off_t size) {
    return STEP_AT(opened(file), growth(file, size), REAL(ftruncate)(file, size));
}
int ftruncate64(int file, off64_t size) {
    return STEP_AT(opened(file), growth(file, size), REAL(ftruncate64)(file, size));
}
int posix_fallocate(int file, off_t at, off_t many) { /* returns its error */
    return opened(file) && meets(GROW) ? errno : REAL(posix_fallocate)(file, at, many);
}
int posix_fallocate64(int file, off64_t at, off64_t many) {
    return opened(file) && meets(GROW) ? errno : REAL(posix_fallocate64)(file, at, many);
}
int rename(const char *from, const char *to) {
    return STEP_AT(named(AT_FDCWD, to), CHANGE, REAL(rename)(from, to));
}
int renameat(int one, const char *from, int other, const char *to) {
    return STEP_AT(named(other, to), CHANGE, REAL(renameat)(one, from, other, to));
}
int link(const char *from, const char *to) { return STEP_AT(named(AT_FDCWD, to), GROW, REAL(link)(from, to)); }
int linkat(int one, const char *from, int other, const char *to, int flags) {
    return STEP_AT(named(other, to), GROW, REAL(linkat)(one, from, other, to, flags));
}

/* A disk that is full has room again when a large file goes. */
static void gives_room(const char *path) {
    struct stat status;
    if (plan && plan->fault == FULL && plan->met && !stat(path, &status) && status.st_size >= 1 << 20)
        plan->at = 0;
}
int unlink(const char *path) {
    gives_room(path);
    return STEP_AT(named(AT_FDCWD, path), CHANGE, REAL(unlink)(path));
}
int unlinkat(int folder, const char *path, int flags) {
    return STEP_AT(named(folder, path), CHANGE, REAL(unlinkat)(folder, path, flags));
}
int rmdir(const char *path) { return STEP_AT(named(AT_FDCWD, path), CHANGE, REAL(rmdir)(path)); }
int mkdir(const char *path, mode_t mode) { return STEP_AT(named(AT_FDCWD, path), GROW, REAL(mkdir)(path, mode)); }
int mkdirat(int folder, const char *path, mode_t mode) {
    return STEP_AT(named(folder, path), GROW, REAL(mkdirat)(folder, path, mode));
}
int chmod(const char *path, mode_t mode) { return STEP_AT(named(AT_FDCWD, path), CHANGE, REAL(chmod)(path, mode)); }
int fchmod(int file, mode_t mode) { return STEP_AT(opened(file), CHANGE, REAL(fchmod)(file, mode)); }
int fchmodat(int folder, const char *path, mode_t mode, int flags) {
    return STEP_AT(named(folder, path), CHANGE, REAL(fchmodat)(folder, path, mode, flags));
}
