/* SHA-256 (FIPS 180-4). */
#ifndef LATKIT_SHA256_H
#define LATKIT_SHA256_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { SHA256_HEX = 64 };

/* The hash of the rest of a file in hex, with a NUL; false if it cannot be read. */
bool sha256_file(FILE *file, char hex[SHA256_HEX + 1]);

#endif
