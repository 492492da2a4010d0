# The startup code of the cores. The boot loader starts the first core at `start`, in 32-bit mode without paging, with
# the address of the start info in ebx. The other cores start at the trampoline.

# The ELF note 18 of "Xen" is the 32-bit entry point.
.section .note.pvh, "a", @note
    .balign 4
    .long 4, 4, 18
    .asciz "Xen"
    .long start

# Other cores start in real mode, at a page below 1 MiB. This code is copied to that page.
.section .text.boot, "ax"
.code16
.global trampoline
trampoline:
    cli
    mov %cs, %ax
    mov %ax, %ds
    lgdtl trampoline_gdt - trampoline
    mov %cr0, %eax
    or $1, %eax
    mov %eax, %cr0
    ljmpl $0x10, $start_other
trampoline_gdt:
    .word gdt_end - gdt - 1
    .long gdt
.global trampoline_end
trampoline_end:

.code32
start_other:
    mov $0x18, %eax
    mov %eax, %ds
    # Only the first core gets the start info.
    xor %ebx, %ebx

.global start
start:
    # Enters long mode: enables PAE, sets the page tables, and enables long mode and paging.
    mov %cr4, %eax
    or $0x20, %eax
    mov %eax, %cr4
    mov $page_map, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx
    rdmsr
    or $0x100, %eax
    wrmsr
    mov %cr0, %eax
    or $0x80000001, %eax
    mov %eax, %cr0
    lgdt gdt_pointer
    ljmp $0x08, $start_64

.code64
start_64:
    xor %eax, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    # Takes a number and the stack of that number.
    mov $1, %edi
    lock xadd %edi, started(%rip)
    cmp ${cpus}, %edi
    jae superfluous
    lea 1(%rdi), %eax
    imul ${stack}, %rax, %rax
    lea stacks(%rip), %rsp
    add %rax, %rsp
    mov %ebx, %esi
    call enter
superfluous:
    cli
    hlt
    jmp superfluous

# Segments: null, 64-bit code, 32-bit code, data.
.section .rodata.boot, "a"
    .balign 8
gdt:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf9b000000ffff
    .quad 0x00cf93000000ffff
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt

# Identity-maps the first 8 GiB, in 2 MiB pages: present, writable, large.
.section .data.boot, "aw"
    .balign 4096
page_map:
    .quad gib_tables + 0x3
    .fill 511, 8, 0
gib_tables:
    .set at, page_tables
    .rept 8
    .quad at + 0x3
    .set at, at + 0x1000
    .endr
    .fill 504, 8, 0
page_tables:
    .set page, 0
    .rept 8 * 512
    .quad page + 0x83
    .set page, page + 0x200000
    .endr

.section .bss.boot, "aw", @nobits
    .balign 16
stacks:
    .skip {cpus} * {stack}
.global started
started:
    .skip 4
