/* Calls every function of the header, and returns zero if they do what the header says. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tall_malloc.h"

#define EXPECT(condition)                                                   \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "line %d: not so: %s\n", __LINE__, #condition); \
            return 1;                                                       \
        }                                                                   \
    } while (0)

static int is_aligned(const void *ptr, size_t align) {
    return ptr != NULL && (uintptr_t)ptr % align == 0;
}

int main(void) {
    char *text = tall_malloc(6);
    EXPECT(is_aligned(text, 16) && tall_usable_size(text) >= 6);
    memcpy(text, "talloc", 6);
    text = tall_realloc(text, 100000);
    EXPECT(text != NULL && memcmp(text, "talloc", 6) == 0);
    text = tall_reallocarray(text, 10, 10);
    EXPECT(text != NULL && memcmp(text, "talloc", 6) == 0);
    tall_free(text);

    int *numbers = tall_calloc(1000, sizeof *numbers);
    EXPECT(numbers != NULL);
    for (int i = 0; i < 1000; i++) EXPECT(numbers[i] == 0);
    tall_free_sized(numbers, 1000 * sizeof *numbers);

    void *aligned = tall_aligned_alloc(4096, 100);
    EXPECT(is_aligned(aligned, 4096));
    tall_free_aligned_sized(aligned, 4096, 100);
    aligned = tall_memalign(256, 100);
    EXPECT(is_aligned(aligned, 256));
    tall_free(aligned);
    EXPECT(tall_posix_memalign(&aligned, 3, 100) == EINVAL);
    EXPECT(tall_posix_memalign(&aligned, 64, 100) == 0 && is_aligned(aligned, 64));
    tall_free(aligned);

    void *page = tall_valloc(1), *pages = tall_pvalloc(1);
    EXPECT(is_aligned(page, 4096) && is_aligned(pages, 4096) && tall_usable_size(pages) >= 4096);
    tall_free(page);
    tall_free(pages);

    volatile size_t too_much = PTRDIFF_MAX;
    errno = 0;
    EXPECT(tall_malloc(too_much) == NULL && errno == ENOMEM);

    void *kept = tall_malloc(1 << 20);
    struct tall_mallinfo2 info = tall_mallinfo2();
    EXPECT(kept != NULL && info.uordblks + info.hblkhd >= 1 << 20 && info.arena >= info.uordblks + info.fordblks);
    tall_free(kept);
    struct tall_mallinfo2 after = tall_mallinfo2();
    EXPECT(after.uordblks + after.hblkhd + (1 << 20) <= info.uordblks + info.hblkhd);
    FILE *sink = tmpfile();
    EXPECT(sink != NULL && tall_malloc_info(0, sink) == 0 && ftell(sink) > 0);
    EXPECT(tall_malloc_info(1, sink) == EINVAL);
    fclose(sink);

    EXPECT(tall_trim(0) == 1);
    EXPECT(tall_report(1) == 0 && tall_report(-1) == -1);
    return 0;
}
