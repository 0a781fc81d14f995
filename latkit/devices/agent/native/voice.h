/* The voice: lines to the host, a heartbeat while the agent is at work, and the lines that come from the host. */
#ifndef LATKIT_VOICE_H
#define LATKIT_VOICE_H

#include <stdbool.h>
#include <stddef.h>

enum { MOST_LINE_BYTES = 1 << 20 };

/* Keep the real stdout for answers (what a runtime prints goes to stderr from now on), and start listening: when stdin
 * ends, the process ends, even in the middle of work. */
void voice_start(void);

/* The next line of the host without its end, with a NUL behind it; the caller frees it. A line longer than
 * MOST_LINE_BYTES is cut. */
char *voice_hear(size_t *length);

/* Write one line. Without a host to read it, the process ends. */
void voice_say(const char *line, size_t length);

/* Start or stop the heartbeat. */
void voice_at_work(bool working);

#endif
