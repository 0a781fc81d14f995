#include "protocol/line_io.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_QUEUED = 64, STACK_BYTES = 1 << 18 };

struct line {
    char *bytes;
    size_t length;
};

static pthread_mutex_t write_lock = PTHREAD_MUTEX_INITIALIZER, guard = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work_changed, lines_changed;
static struct line queue[MAX_QUEUED]; /* a ring buffer */
static size_t first, count;
static bool is_busy;
static int out;

static void write_all(const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t written = write(out, bytes, length);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) _exit(1);
        bytes += written;
        length -= (size_t)written;
    }
}

void write_line(const char *line, size_t length) {
    pthread_mutex_lock(&write_lock);
    write_all(line, length);
    write_all("\n", 1);
    pthread_mutex_unlock(&write_lock);
}

void set_busy(bool working) {
    pthread_mutex_lock(&guard);
    is_busy = working;
    pthread_cond_signal(&work_changed);
    pthread_mutex_unlock(&guard);
}

/* Report every second that the work continues. */
static void *beat(void *unused) {
    (void)unused;
    char line[48];
    struct timespec until;
    pthread_mutex_lock(&guard);
    for (unsigned long beats = 0;;) {
        while (!is_busy) pthread_cond_wait(&work_changed, &guard);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += 1;
        int status = 0;
        while (is_busy && status != ETIMEDOUT) status = pthread_cond_timedwait(&work_changed, &guard, &until);
        if (!is_busy) continue;
        pthread_mutex_unlock(&guard);
        int length = snprintf(line, sizeof line, "{\"heartbeat\":%lu}", ++beats);
        write_line(line, (size_t)length);
        pthread_mutex_lock(&guard);
    }
    return NULL;
}

static void put_line(struct line line) {
    pthread_mutex_lock(&guard);
    while (count == MAX_QUEUED) pthread_cond_wait(&lines_changed, &guard);
    queue[(first + count++) % MAX_QUEUED] = line;
    pthread_cond_broadcast(&lines_changed);
    pthread_mutex_unlock(&guard);
}

char *read_line(size_t *length) {
    pthread_mutex_lock(&guard);
    while (count == 0) pthread_cond_wait(&lines_changed, &guard);
    struct line line = queue[first];
    first = (first + 1) % MAX_QUEUED;
    count--;
    pthread_cond_broadcast(&lines_changed);
    pthread_mutex_unlock(&guard);
    *length = line.length;
    return line.bytes;
}

static void put_copy(const char *bytes, size_t length) {
    struct line line = {malloc(length + 1), length};
    if (!line.bytes) _exit(1);
    memcpy(line.bytes, bytes, length);
    line.bytes[length] = 0;
    put_line(line);
}

/* Pass lines on, and end the process when the host has gone. What does not fit into a line is dropped. */
static void *listen(void *unused) {
    (void)unused;
    static char line[MAX_LINE_BYTES];
    size_t length = 0;
    char chunk[1 << 14];
    for (;;) {
        ssize_t got = read(0, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) _exit(0);
        for (ssize_t i = 0; i < got; i++) {
            if (chunk[i] == '\n') {
                put_copy(line, length);
                length = 0;
            } else if (length < sizeof line) {
                line[length++] = chunk[i];
            }
        }
    }
}

static void start_thread(void *(*main)(void *)) {
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    if (pthread_create(&thread, &attributes, main, NULL) != 0) _exit(1);
    pthread_detach(thread);
    pthread_attr_destroy(&attributes);
}

void line_io_start(void) {
    pthread_condattr_t steady; /* the heartbeat uses a clock that cannot be set */
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&work_changed, &steady);
    pthread_cond_init(&lines_changed, &steady);
    out = dup(1);
    if (out < 0 || dup2(2, 1) < 0) _exit(1);
    start_thread(beat);
    start_thread(listen);
}
