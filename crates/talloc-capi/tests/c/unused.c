// A program that is linked with the library but never uses it.
#include <stdio.h>
#include <tall_malloc.h>

int main(void) {
    struct tall_mallinfo2 info = tall_mallinfo2();
    printf("%zu bytes\n", info.arena + info.hblkhd);
    return 0;
}
