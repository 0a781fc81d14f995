/* Energy: counters that the kernel reports under /sys/class/powercap. */
#ifndef LATKIT_ENERGY_H
#define LATKIT_ENERGY_H

#include "json_writer.h"

enum { MAX_ENERGY_ZONES = 16 };

struct energy {
    size_t count;
    struct {
        char name[64];
        int64_t microjoules;
    } zones[MAX_ENERGY_ZONES];
};

/* The counters that can be read, of zones that are part of no other. */
void read_energy(struct energy *energy);

/* Microjoules by zone between two readings, as a JSON object. A counter that began anew is left out. */
void write_energy(struct json_writer *out, const struct energy *before, const struct energy *after);

#endif
