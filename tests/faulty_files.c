// Lets the n-th operation on files below a folder fail, once, with an error: a library for LD_PRELOAD.
//
//     loopwire_arm("/folder", n, errno)   the operations are counted from 1 on, from now
//     loopwire_seen()                     how many there were, and counts no more
//
// Ref: the manual pages open(2), rename(2), mkdir(2), unlink(2), read(2), write(2), fsync(2); names as in glibc 2.33 and later.

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[PATH_MAX];
static long target, seen;
static int error, armed;

void loopwire_arm(const char *folder, long number, int code) {
    snprintf(root, sizeof root, "%s", folder);
    target = number, error = code, seen = 0, armed = 1;
}

long loopwire_seen(void) {
    armed = 0;
    return seen;
}

static int below(const char *path) {
    size_t length = strlen(root);
    return strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == 0);
}

static int descriptor_below(int file) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return below(path);
}

static int place_below(int folder, const char *path) {
    char here[PATH_MAX];
    if (path[0] == '/') return below(path);
    if (folder != AT_FDCWD) return descriptor_below(folder);
    return getcwd(here, sizeof here) != NULL && below(here);
}

// Whether this operation is the one that fails; then errno tells why.
static int fails(int counts) {
    if (!armed || !counts || ++seen != target) return 0;
    errno = error;
    return 1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define WRAP(result, name, parameters, counts, failure, ...) \
    result name parameters { \
        int kept = errno; \
        if (armed && fails(counts)) return failure; \
        errno = kept; \
        return NEXT(name)(__VA_ARGS__); \
    }
#define BY_PATH(result, name, parameters, path, failure, ...) \
    WRAP(result, name, parameters, place_below(AT_FDCWD, path), failure, __VA_ARGS__)
#define BY_PLACE(result, name, parameters, folder, path, failure, ...) \
    WRAP(result, name, parameters, place_below(folder, path), failure, __VA_ARGS__)
#define BY_FILE(result, name, parameters, file, failure, ...) \
    WRAP(result, name, parameters, descriptor_below(file), failure, __VA_ARGS__)
#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = va_arg(more, mode_t); \
        va_end(more); \
        if (armed && fails(place_below(AT_FDCWD, path))) return -1; \
        return NEXT(name)(path, flags, mode); \
    }
#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = va_arg(more, mode_t); \
        va_end(more); \
        if (armed && fails(place_below(folder, path))) return -1; \
        return NEXT(name)(folder, path, flags, mode); \
    }

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
BY_PATH(int, mkdir, (const char *path, mode_t mode), path, -1, path, mode)
BY_PLACE(int, mkdirat, (int folder, const char *path, mode_t mode), folder, path, -1, folder, path, mode)
BY_PATH(int, rename, (const char *from, const char *to), from, -1, from, to)
BY_PLACE(int, renameat, (int a, const char *from, int b, const char *to), a, from, -1, a, from, b, to)
BY_PLACE(int, renameat2, (int a, const char *from, int b, const char *to, unsigned flags), a, from, -1, a, from, b, to, flags)
BY_PATH(int, unlink, (const char *path), path, -1, path)
BY_PLACE(int, unlinkat, (int folder, const char *path, int flags), folder, path, -1, folder, path, flags)
BY_PATH(int, rmdir, (const char *path), path, -1, path)
BY_PATH(int, chmod, (const char *path, mode_t mode), path, -1, path, mode)
BY_PATH(int, symlink, (const char *to, const char *path), path, -1, to, path)
BY_PATH(int, link, (const char *from, const char *to), from, -1, from, to)
BY_PATH(DIR *, opendir, (const char *path), path, NULL, path)
BY_FILE(ssize_t, read, (int file, void *to, size_t size), file, -1, file, to, size)
BY_FILE(ssize_t, write, (int file, const void *from, size_t size), file, -1, file, from, size)
BY_FILE(ssize_t, pread64, (int file, void *to, size_t size, off64_t at), file, -1, file, to, size, at)
BY_FILE(ssize_t, pwrite64, (int file, const void *from, size_t size, off64_t at), file, -1, file, from, size, at)
BY_FILE(ssize_t, sendfile64, (int to, int from, off64_t *at, size_t size), to, -1, to, from, at, size)
BY_FILE(int, fsync, (int file), file, -1, file)
BY_FILE(int, fdatasync, (int file), file, -1, file)
BY_FILE(int, ftruncate64, (int file, off64_t size), file, -1, file, size)
BY_FILE(int, fchmod, (int file, mode_t mode), file, -1, file, mode)
BY_FILE(int, flock, (int file, int operation), file, -1, file, operation)
BY_PATH(int, stat64, (const char *path, struct stat64 *to), path, -1, path, to)
BY_PATH(int, lstat64, (const char *path, struct stat64 *to), path, -1, path, to)
BY_PLACE(int, fstatat64, (int folder, const char *path, struct stat64 *to, int flags), folder, path, -1, folder, path, to, flags)
