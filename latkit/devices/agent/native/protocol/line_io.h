/* Line I/O: lines to the host, a heartbeat while the agent works, and the lines that come from the host. */
#ifndef LATKIT_LINE_IO_H
#define LATKIT_LINE_IO_H

#include <stdbool.h>
#include <stddef.h>

enum { MAX_LINE_BYTES = 1 << 20 };

/* Reserve the real stdout for responses (output of runtimes goes to stderr from now on), and start listening. When
 * stdin ends, the process ends, even during work. */
void line_io_start(void);

/* The next line of the host without its end, with a NUL behind it; the caller frees it. A line longer than
 * `MAX_LINE_BYTES` is truncated. */
char *read_line(size_t *length);

/* Write one line. If no host reads it, the process ends. */
void write_line(const char *line, size_t length);

/* Start or stop the heartbeat. */
void set_busy(bool working);

#endif
