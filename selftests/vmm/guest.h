/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What code in the guest uses.
 *
 * A test is one program: its own image is the guest's memory, at the addresses
 * that it has in the program. Guest code is ordinary functions, built without
 * SSE, that call nothing of libc; data is shared with the VMM by being static.
 * All planes see the same memory, each through page tables of its own.
 */
#ifndef GUEST_H
#define GUEST_H

#include <linux/types.h>
#include <stdbool.h>

#define GUEST_PLANES		4
#define GUEST_STACK_SIZE	16384
#define GUEST_PORT		0x900

#define __noreturn		__attribute__((__noreturn__))

#define X86_NMI			2
#define X86_UD			6
#define X86_GP			13
#define X86_PF			14
#define X86_HV			28

#define X86_FIRST_IRQ		32

#define X86_RFLAGS_FIXED	(1UL << 1)
#define X86_RFLAGS_TF		(1UL << 8)
#define X86_RFLAGS_IF		(1UL << 9)

/* Where code in the guest starts. */
typedef void (*guest_code_t)(void);

/* General registers, by their number in x86 instructions. */
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, NR_GPRS };

/* Selectors; of code and data there are several, alike but for their number. */
#define GUEST_CS		0x08
#define GUEST_DS		0x10
#define GUEST_USER_CS		0x1b
#define GUEST_USER_DS		0x23
#define GUEST_TR		0x28
#define GUEST_LDTR		0x38
#define GUEST_CS_2		0x48
#define GUEST_DS_2		0x50
#define GUEST_NR_DS_2		4
#define GUEST_TR_2		0x70
#define GUEST_LDTR_2		0x80
#define GUEST_CS_32		0x90
#define GUEST_GDT_ENTRIES	19

struct guest_gate {
	__u16 offset_low;
	__u16 selector;
	__u16 type;
	__u16 offset_mid;
	__u32 offset_high;
	__u32 reserved;
};

struct guest_tss {
	__u32 reserved0;
	__u64 rsp0;
	__u8 rest[92];
} __attribute__((packed));

/* What each plane has of its own. Page tables map the low 4 GiB to themselves. */
struct guest_tables {
	__u64 pml4[512];
	__u64 pdpt[512];
	__u64 pd[4 * 512];
	struct guest_gate idt[256];
	__u64 gdt[GUEST_GDT_ENTRIES];
	__u64 ldt[2];
	struct guest_tss tss;
} __attribute__((aligned(4096)));

extern struct guest_tables guest_tables[GUEST_PLANES];

/* What guest_run() loads and stores; guest_asm.S knows the layout. */
struct guest_regs {
	__u64 gpr[NR_GPRS];
	__u64 rflags;
	__u64 cs;
	__u64 ss;
	__u64 rip;
};

/* The exception that a hypercall ended with; @expected keeps it from being fatal. */
struct guest_fault {
	__u64 resume_rsp;
	bool expected;
	__u32 count;
	__u64 vector;
	__u64 rip;
	__u64 cs;
};

enum guest_cmd { GUEST_SYNC, GUEST_DONE, GUEST_ABORT };

/* What the guest tells the VMM, by an OUT of its address to GUEST_PORT. */
struct guest_call {
	__u32 cmd;
	__u32 plane;
	const char *text;
	__u64 arg[2];
};

/* The hypercall instruction that the VMM chose for this CPU, and a RET. */
extern __u8 guest_hypercall_insn[4];
extern struct guest_fault guest_faults[GUEST_PLANES];
extern __u8 guest_stacks[GUEST_PLANES][GUEST_STACK_SIZE];
extern __u8 guest_vectors[256][16];

/**
 * guest_run - execute some instructions with all registers given
 * @in: the general registers but RSP, RFLAGS, CS, SS and RIP to go on with
 * @out: what they are after the RET, or when there is an exception
 *
 * With RIP at guest_hypercall_insn and more than one plane, "after" may be much
 * later.
 */
void guest_run(const struct guest_regs *in, struct guest_regs *out);

/* For guest_run(): RBX = *(u64 *)RDI, and the other way round. The first instruction does it. */
extern __u8 guest_load[];
extern __u8 guest_store[];

/* Called for interrupts, NMIs and #HV, with interrupts off; @gpr is what was in the registers. */
extern void (*guest_irq_handler)(__u8 vector, const __u64 *gpr);

/* The plane that executes this. */
__u32 guest_plane(void);

/* Stop, and let the VMM look at what it likes; @value is for it. */
void guest_sync(__u64 value);
__noreturn void guest_done(void);
__noreturn void guest_abort(const char *text, __u64 a, __u64 b);

#define GUEST_STR_(x)	#x
#define GUEST_STR(x)	GUEST_STR_(x)

#define GUEST_ASSERT(cond)							\
	do {									\
		if (!(cond))							\
			guest_abort(__FILE__ ":" GUEST_STR(__LINE__) ": " #cond, 0, 0);	\
	} while (0)

#define GUEST_ASSERT_EQ(a, b)							\
	do {									\
		__u64 a_ = (a), b_ = (b);					\
		if (a_ != b_)							\
			guest_abort(__FILE__ ":" GUEST_STR(__LINE__) ": " #a " == " #b, a_, b_); \
	} while (0)

/* xorshift64*; good enough to find a register that went astray. */
static inline __u64 guest_random(__u64 *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

/*
 * For each turn of a loop that waits with interrupts disabled: it disables them. When the guest is
 * entered with RFLAGS.IF clear, Bochs 2.7 lets no interrupt of the host end its run before it has
 * executed an instruction that writes IF; the host of one CPU then hangs, with any KVM.
 */
#define GUEST_SPIN	"cli"

static inline void guest_spin(void)
{
	asm volatile(GUEST_SPIN : : : "memory");
}

static inline __u64 rdmsr(__u32 msr)
{
	__u32 lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (__u64)hi << 32 | lo;
}

static inline void wrmsr(__u32 msr, __u64 value)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((__u32)value), "d"((__u32)(value >> 32)) : "memory");
}

static inline __u64 read_tsc(void)
{
	__u32 lo, hi;

	asm volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (__u64)hi << 32 | lo;
}

static inline __u64 xgetbv(void)
{
	__u32 lo, hi;

	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (__u64)hi << 32 | lo;
}

static inline void xsetbv(__u64 value)
{
	asm volatile("xsetbv" : : "c"(0), "a"((__u32)value), "d"((__u32)(value >> 32)));
}

#define GUEST_REG_ACCESS(name, reg)						\
static inline __u64 read_##name(void)						\
{										\
	__u64 value;								\
										\
	asm volatile("mov %%" #reg ", %0" : "=r"(value) : : "memory");		\
	return value;								\
}										\
										\
static inline void write_##name(__u64 value)					\
{										\
	asm volatile("mov %0, %%" #reg : : "r"(value) : "memory");		\
}

GUEST_REG_ACCESS(cr0, cr0)
GUEST_REG_ACCESS(cr2, cr2)
GUEST_REG_ACCESS(cr3, cr3)
GUEST_REG_ACCESS(cr4, cr4)
GUEST_REG_ACCESS(cr8, cr8)
GUEST_REG_ACCESS(dr0, db0)
GUEST_REG_ACCESS(dr1, db1)
GUEST_REG_ACCESS(dr2, db2)
GUEST_REG_ACCESS(dr3, db3)
GUEST_REG_ACCESS(dr6, db6)
GUEST_REG_ACCESS(dr7, db7)

#endif /* GUEST_H */
