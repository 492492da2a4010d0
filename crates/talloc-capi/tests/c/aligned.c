/* Allocates aligned blocks and fills them: `aligned ALIGN SIZE COUNT`. Prints the ratio of the growth of resident memory
   to the size of the blocks, times a thousand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tall_malloc.h"

/* Returns the resident memory of the process in bytes. */
static long resident(void) {
    long all, here;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld %ld", &all, &here) != 2) abort();
    fclose(file);
    return here * sysconf(_SC_PAGESIZE);
}

int main(int argument_count, char **arguments) {
    if (argument_count != 4) return 2;
    size_t align = (size_t)atol(arguments[1]), size = (size_t)atol(arguments[2]);
    size_t count = (size_t)atol(arguments[3]);
    void **blocks = malloc(count * sizeof *blocks);
    if (blocks == NULL) return 3;
    memset(blocks, 1, count * sizeof *blocks);
    resident();
    long before = resident();
    for (size_t i = 0; i < count; i++) {
        switch (i % 3) {
        case 0: if (tall_posix_memalign(&blocks[i], align, size) != 0) return 4; break;
        case 1: blocks[i] = tall_aligned_alloc(align, size); break;
        default: blocks[i] = tall_memalign(align, size);
        }
        if (blocks[i] == NULL || (size_t)blocks[i] % align != 0) return 5;
        memset(blocks[i], 1, size);
    }
    long after = resident();
    for (size_t i = 0; i < count; i++) tall_free(blocks[i]);
    free(blocks);
    printf("%ld\n", (long)((double)(after - before) * 1000 / ((double)count * (double)size)));
    return 0;
}
