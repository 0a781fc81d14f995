#include "device/files.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 512 };

/* Strip the whitespace around the text, and drop the NULs at the end of the device tree's texts. */
static void strip(char *text, size_t length) {
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] && (used || !isspace((unsigned char)text[i]))) text[used++] = text[i];
    }
    while (used && isspace((unsigned char)text[used - 1])) used--;
    text[used] = 0;
}

static bool read_path(char *into, size_t size, const char *path) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    size_t length = 0;
    ssize_t got;
    do {
        got = read(file, into + length, size - 1 - length);
        if (got > 0) length += (size_t)got;
    } while (got > 0 && length < size - 1);
    close(file);
    strip(into, length);
    return got >= 0;
}

bool read_file(char *into, size_t size, const char *format, ...) {
    char path[PATH_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(path, sizeof path, format, arguments);
    va_end(arguments);
    return length > 0 && length < PATH_BYTES && read_path(into, size, path);
}

bool read_integer(int64_t *value, const char *format, ...) {
    char path[PATH_BYTES], text[32], *end;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(path, sizeof path, format, arguments);
    va_end(arguments);
    if (length <= 0 || length >= PATH_BYTES || !read_path(text, sizeof text, path)) return false;
    *value = strtoll(text, &end, 10);
    return end != text && *end == 0;
}

bool next_value(const char **from, const char *name, char *into, size_t size) {
    size_t length = strlen(name);
    for (const char *line = *from; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        if (strncmp(line, name, length) != 0) continue;
        const char *at = line + length;
        while (*at == ' ' || *at == '\t') at++;
        if (*at != ':') continue;
        size_t bytes = strcspn(++at, "\n");
        *from = at + bytes;
        if (bytes > size - 1) bytes = size - 1;
        memcpy(into, at, bytes);
        strip(into, bytes);
        return true;
    }
    return false;
}
