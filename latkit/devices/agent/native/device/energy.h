/* Energy: counters that the kernel reports, and what they move by while models run; as in the Python agent's energy.py.
 */
#ifndef LATKIT_ENERGY_H
#define LATKIT_ENERGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/json_writer.h"

enum { MAX_COUNTERS = 16, MAX_COUNTER_NAME = 160 };

struct energy_counter {
    char name[MAX_COUNTER_NAME];
    int64_t microjoules;
};

struct energy {
    size_t count;
    struct energy_counter counters[MAX_COUNTERS];
};

/* The counters of the finest kind that can be read: powercap, then hwmon, then the battery. They measure the same
 * energy. */
void read_energy(struct energy *energy);

/* What counters moved by between its beginning and its last reading. */
struct energy_meter {
    struct energy last;
    int64_t read_ns;
    struct {
        int64_t used;     /* microjoules */
        int64_t count;    /* of its movements */
        int64_t smallest; /* movement, in microjoules */
        bool is_gone;     /* it can no longer be read, or began anew: it is left out */
    } moved[MAX_COUNTERS];
};

void meter_begin(struct energy_meter *meter);

/* Read the counters, unless that was done less than `pause_ns` ago: reading takes energy too. */
void meter_read(struct energy_meter *meter, int64_t pause_ns);

/* Members of an object: the microjoules of every counter, and its movements. */
void write_meter(struct json_writer *out, const struct energy_meter *meter);

#endif
