/* Reads JSON lines with the native agent's reader, and writes each anew, or `!` and what is wrong with it. */
#include <stdio.h>
#include <string.h>

#include "protocol/json.h"

static void write_text(const char *text, size_t length) {
    putchar('"');
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == '"' || c == '\\') printf("\\u%04x", c);
        else putchar(c);
    }
    putchar('"');
}

static void write_value(const struct json *value) {
    static const char *const literals[] = {"null", "false", "true"};
    if (value->kind <= JSON_TRUE) fputs(literals[value->kind], stdout);
    else if (value->kind == JSON_NUMBER && value->is_integer) printf("%lld", (long long)value->integer);
    else if (value->kind == JSON_NUMBER) printf("%.17g", value->number);
    else if (value->kind == JSON_STRING) write_text(value->text, value->length);
    else {
        putchar(value->kind == JSON_ARRAY ? '[' : '{');
        for (const struct json *inside = value->first; inside; inside = inside->next) {
            if (inside != value->first) putchar(',');
            if (value->kind == JSON_OBJECT) {
                write_text(inside->name, inside->name_length);
                putchar(':');
            }
            write_value(inside);
        }
        putchar(value->kind == JSON_ARRAY ? ']' : '}');
    }
}

int main(void) {
    static char line[1 << 20];
    static struct json_document document;
    while (fgets(line, sizeof line, stdin)) {
        const char *problem = NULL;
        size_t length = strlen(line);
        if (length && line[length - 1] == '\n') line[--length] = 0;
        const struct json *value = json_read(&document, line, length, &problem);
        if (value) write_value(value);
        else printf("!%s", problem);
        putchar('\n');
        fflush(stdout);
    }
    return 0;
}
