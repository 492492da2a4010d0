/* Defines the same names as Samba's talloc, like a program that uses that library. */
#include "talloc.h"
#include "tall_malloc.h"

static int calls;

void talloc_report(const void *pointer, void *file) { calls += pointer == file; }
int talloc_free(void *pointer) { return calls += pointer == 0; }
void *talloc_realloc(const void *context, void *pointer, unsigned size) {
    calls += context == pointer && size == 0;
    return pointer;
}

int main(void) {
    void *block = tall_malloc(10);
    tall_free(block);
    talloc_report(0, 0);
    talloc_free(0);
    talloc_realloc(0, 0, 0);
    return block != 0 && calls == 3 ? tall_report(1) : 1;
}
