/* A library that contains the allocator, like a plugin. */
#include "tall_malloc.h"

int work(void) {
    void *blocks[200];
    for (size_t i = 0; i < 200; i++) {
        blocks[i] = tall_malloc(64 + i * 37 % 1000);
        if (blocks[i] == NULL) return 1;
    }
    for (size_t i = 0; i < 200; i++) tall_free(blocks[i]);
    return 0;
}
