/* The voice: lines to the host, a heartbeat while the agent is at work, and the lines that come from the host. */
#ifndef LATKIT_LINE_IO_H
#define LATKIT_LINE_IO_H

#include <stdbool.h>
#include <stddef.h>

enum { MAX_LINE_BYTES = 1 << 20 };

/* Keep the real stdout for answers (what a runtime prints goes to stderr from now on), and start listening: when stdin
 * ends, the process ends, even in the middle of work. */
void line_io_start(void);

/* The next line of the host without its end, with a NUL behind it; the caller frees it. A line longer than
 * `MAX_LINE_BYTES` is cut. */
char *read_line(size_t *length);

/* Write one line. Without a host to read it, the process ends. */
void write_line(const char *line, size_t length);

/* Start or stop the heartbeat. */
void set_busy(bool working);

#endif
