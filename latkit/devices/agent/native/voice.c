#include "voice.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST_WAITING = 64, STACK_BYTES = 1 << 18 };

struct line {
    char *bytes;
    size_t length;
};

static pthread_mutex_t saying = PTHREAD_MUTEX_INITIALIZER, guard = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work_changed, lines_changed;
static struct line waiting[MOST_WAITING]; /* a ring */
static size_t first, count;
static bool at_work;
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

void voice_say(const char *line, size_t length) {
    pthread_mutex_lock(&saying);
    write_all(line, length);
    write_all("\n", 1);
    pthread_mutex_unlock(&saying);
}

void voice_at_work(bool working) {
    pthread_mutex_lock(&guard);
    at_work = working;
    pthread_cond_signal(&work_changed);
    pthread_mutex_unlock(&guard);
}

/* Say every second that the work goes on. */
static void *beat(void *unused) {
    (void)unused;
    char line[48];
    struct timespec until;
    pthread_mutex_lock(&guard);
    for (unsigned long beats = 0;;) {
        while (!at_work) pthread_cond_wait(&work_changed, &guard);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += 1;
        int status = 0;
        while (at_work && status != ETIMEDOUT) status = pthread_cond_timedwait(&work_changed, &guard, &until);
        if (!at_work) continue;
        pthread_mutex_unlock(&guard);
        int length = snprintf(line, sizeof line, "{\"heartbeat\":%lu}", ++beats);
        voice_say(line, (size_t)length);
        pthread_mutex_lock(&guard);
    }
    return NULL;
}

static void put_line(struct line line) {
    pthread_mutex_lock(&guard);
    while (count == MOST_WAITING) pthread_cond_wait(&lines_changed, &guard);
    waiting[(first + count++) % MOST_WAITING] = line;
    pthread_cond_broadcast(&lines_changed);
    pthread_mutex_unlock(&guard);
}

char *voice_hear(size_t *length) {
    pthread_mutex_lock(&guard);
    while (count == 0) pthread_cond_wait(&lines_changed, &guard);
    struct line line = waiting[first];
    first = (first + 1) % MOST_WAITING;
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

/* Pass lines on, and end the process once the host has gone. What does not fit into a line is left out. */
static void *listen(void *unused) {
    (void)unused;
    static char line[MOST_LINE_BYTES];
    size_t length = 0;
    char piece[1 << 14];
    for (;;) {
        ssize_t got = read(0, piece, sizeof piece);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) _exit(0);
        for (ssize_t i = 0; i < got; i++) {
            if (piece[i] == '\n') {
                put_copy(line, length);
                length = 0;
            } else if (length < sizeof line) {
                line[length++] = piece[i];
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

void voice_start(void) {
    pthread_condattr_t steady; /* a heartbeat is counted by a clock that nobody sets */
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&work_changed, &steady);
    pthread_cond_init(&lines_changed, &steady);
    out = dup(1);
    if (out < 0 || dup2(2, 1) < 0) _exit(1);
    start_thread(beat);
    start_thread(listen);
}
