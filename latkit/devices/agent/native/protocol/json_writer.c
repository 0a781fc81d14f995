#include "protocol/json_writer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/json.h"

void writer_clear(struct json_writer *writer) {
    writer->length = 0;
    writer->failed = false;
}

/* Reserve this many more bytes, and a NUL. */
static bool make_room(struct json_writer *writer, size_t more) {
    size_t needed = writer->length + more + 1;
    if (needed <= writer->capacity) return true;
    size_t capacity = needed * 2;
    char *bytes = writer->failed ? NULL : realloc(writer->bytes, capacity);
    if (!bytes) {
        writer->failed = true;
        return false;
    }
    writer->bytes = bytes;
    writer->capacity = capacity;
    return true;
}

void writer_add(struct json_writer *writer, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int needed = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (needed < 0 || !make_room(writer, (size_t)needed)) return;
    va_start(arguments, format);
    vsnprintf(writer->bytes + writer->length, (size_t)needed + 1, format, arguments);
    va_end(arguments);
    writer->length += (size_t)needed;
}

void writer_string(struct json_writer *writer, const char *string) {
    writer_add(writer, "\"");
    for (size_t left = strlen(string); left > 0;) {
        size_t bytes = utf8_length(string, left);
        unsigned char c = (unsigned char)*string;
        if (bytes == 0) {
            bytes = 1;
            writer_add(writer, "?");
        } else if (c < 0x20) {
            writer_add(writer, "\\u%04x", c);
        } else {
            writer_add(writer, "%s%.*s", c == '"' || c == '\\' ? "\\" : "", (int)bytes, string);
        }
        string += bytes;
        left -= bytes;
    }
    writer_add(writer, "\"");
}

void writer_comma(struct json_writer *writer) {
    if (writer->length > 0 && !strchr("{[:", writer->bytes[writer->length - 1])) writer_add(writer, ",");
}

void writer_name(struct json_writer *writer, const char *name) {
    writer_comma(writer);
    writer_add(writer, "\"%s\":", name);
}

void writer_integers(struct json_writer *writer, const char *name, const int64_t *values, size_t count) {
    writer_name(writer, name);
    writer_add(writer, "[");
    for (size_t i = 0; i < count; i++) writer_add(writer, "%s%" PRId64, i ? "," : "", values[i]);
    writer_add(writer, "]");
}
