/* Does not know this library, and is run with it preloaded. The C library's functions that describe its heap must
   describe the preloaded one. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPECT(condition)                                                   \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "line %d: not so: %s\n", __LINE__, #condition); \
            return 1;                                                       \
        }                                                                   \
    } while (0)

enum { COUNT = 1000, SIZE = 10000, BYTES = COUNT * SIZE };

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t align, size_t size);
extern void *__libc_valloc(size_t size);
extern void *__libc_pvalloc(size_t size);
extern void __libc_free(void *block);

static size_t used(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* Returns the number after some text. */
static size_t number(const char *text, const char *before) {
    const char *found = strstr(text, before);
    return found == NULL ? SIZE_MAX : strtoul(found + strlen(before), NULL, 10);
}

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

int main(void) {
    void *blocks[COUNT];
    size_t before = used();
    for (int i = 0; i < COUNT; i++) blocks[i] = i % 2 ? malloc(SIZE) : aligned_alloc(64, SIZE);
    struct mallinfo2 info = mallinfo2();
    EXPECT(used() - before >= BYTES && used() - before < BYTES + BYTES / 20);
    EXPECT(info.arena >= info.uordblks + info.fordblks && info.usmblks == 0);
    EXPECT(info.fsmblks <= info.fordblks && info.keepcost <= info.fordblks);
    struct mallinfo small = mallinfo();
    EXPECT((size_t)small.uordblks >= BYTES && (size_t)small.arena >= BYTES);
    void *large = malloc((size_t)3 << 30);
    EXPECT(large != NULL && used() - before >= (size_t)3 << 30);
    free(large);

    char *text = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&text, &length);
    EXPECT(malloc_info(1, file) == EINVAL && malloc_info(0, file) == 0 && fclose(file) == 0);
    EXPECT(length > 0 && strncmp(text, "<malloc version=\"1\">\n", 21) == 0);
    EXPECT(number(text, "<system type=\"current\" size=\"") >= BYTES);
    EXPECT(number(text, "<total type=\"mmap\" count=\"") != SIZE_MAX);
    fputs(text, stdout);
    free(text);
    file = fopen("/dev/full", "w");
    EXPECT(file != NULL && setvbuf(file, NULL, _IONBF, 0) == 0);
    EXPECT(malloc_info(0, file) == -1 && errno == ENOSPC);
    fclose(file);

    int ends[2];
    char table[1024] = "";
    EXPECT(pipe(ends) == 0 && dup2(ends[1], STDERR_FILENO) == STDERR_FILENO);
    malloc_stats();
    EXPECT(read(ends[0], table, sizeof table - 1) > 0);
    EXPECT(strncmp(table, "Arena 0:\n", 9) == 0 && number(table, "in use bytes     =") >= BYTES);

    EXPECT(mallopt(M_MMAP_THRESHOLD, 1 << 20) == 1 && mallopt(M_ARENA_MAX, 1) == 1);
    EXPECT(mallopt(M_PERTURB, 165) == 0 && mallopt(12345, 0) == 0);
    EXPECT(malloc_usable_size(blocks[0]) >= SIZE && malloc_usable_size(blocks[1]) >= SIZE);
    for (int i = 0; i < COUNT; i++) free(blocks[i]);
    EXPECT(malloc_trim(0) == 1);
    EXPECT(used() - before < BYTES / 20);

    /* All of these functions must use the same heap. */
    void *block = __libc_realloc(__libc_malloc(10), 20);
    free(block);
    free(__libc_calloc(10, 10));
    free(__libc_memalign(4096, 10));
    free(__libc_valloc(10));
    free(__libc_pvalloc(10));
    before = used();
    block = __libc_malloc(100000);
    EXPECT(used() - before >= 100000);
    __libc_free(block);
    block = malloc(100000);
    __libc_free(block);
    EXPECT(used() - before < 100000);
    return 0;
}
