#include "text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

void text_clear(struct text *text) {
    text->length = 0;
    text->failed = false;
}

/* Reserve this many more bytes, and a NUL. */
static bool make_room(struct text *text, size_t more) {
    size_t needed = text->length + more + 1;
    if (needed <= text->capacity) return true;
    size_t capacity = needed * 2;
    char *bytes = text->failed ? NULL : realloc(text->bytes, capacity);
    if (!bytes) {
        text->failed = true;
        return false;
    }
    text->bytes = bytes;
    text->capacity = capacity;
    return true;
}

void text_add(struct text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int needed = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (needed < 0 || !make_room(text, (size_t)needed)) return;
    va_start(arguments, format);
    vsnprintf(text->bytes + text->length, (size_t)needed + 1, format, arguments);
    va_end(arguments);
    text->length += (size_t)needed;
}

void text_string(struct text *text, const char *string) {
    text_add(text, "\"");
    for (size_t left = strlen(string); left > 0;) {
        size_t bytes = utf8_length(string, left);
        unsigned char c = (unsigned char)*string;
        if (bytes == 0) {
            bytes = 1;
            text_add(text, "?");
        } else if (c < 0x20) {
            text_add(text, "\\u%04x", c);
        } else {
            text_add(text, "%s%.*s", c == '"' || c == '\\' ? "\\" : "", (int)bytes, string);
        }
        string += bytes;
        left -= bytes;
    }
    text_add(text, "\"");
}

void text_comma(struct text *text) {
    if (text->length > 0 && !strchr("{[:", text->bytes[text->length - 1])) text_add(text, ",");
}

void text_name(struct text *text, const char *name) {
    text_comma(text);
    text_add(text, "\"%s\":", name);
}

void text_integers(struct text *text, const char *name, const int64_t *values, size_t count) {
    text_name(text, name);
    text_add(text, "[");
    for (size_t i = 0; i < count; i++) text_add(text, "%s%" PRId64, i ? "," : "", values[i]);
    text_add(text, "]");
}
