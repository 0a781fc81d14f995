/* Files: reads the small files in which the kernel reports what the device is and does. */
#ifndef LATKIT_FILES_H
#define LATKIT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The text of a file without spaces around it, at most size - 1 bytes; false if it cannot be read. */
bool read_file(char *into, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The integer in a file. */
bool read_integer(int64_t *value, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The value of the first line `name : value` of a file such as /proc/cpuinfo, starting at `*from`, which then points
 * behind it. False if there is none. */
bool next_value(const char **from, const char *name, char *into, size_t size);

#endif
