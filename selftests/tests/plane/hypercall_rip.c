// SPDX-License-Identifier: GPL-2.0
/*
 * Where a plane goes on after a hypercall that a policy answers: after the instruction, whatever
 * its prefixes, where it is, what has become of it, and who steps through the guest.
 *
 * The instruction after it tells: LEA 0(%RIP), %RBX; RET
 */
#include <sys/ioctl.h>

#include "puppet_test.h"

#define ANSWER		0x616e73776572ULL
#define X86_DB		1
#define MAX_INSN	15
#define HUGE_SIZE	(2UL << 20)
#define WINDOW		(3UL << 30)	/* mapped to itself, and nothing there */
#define PTE_LEAF_2M	0xe7UL

static const __u8 lea_ret[] = { 0x48, 0x8d, 0x1d, 0, 0, 0, 0, 0xc3 };
#define LEA_SIZE	7

static struct puppet_test t;
static struct puppet_op *op;
static __u8 code[2 * 4096] __attribute__((aligned(4096)));

static void start(void)
{
	puppet_start(&t, 2);
	op = &t.puppet->op[PUPPET_HYPERCALL];
	op->verdict = KVM_PLANE_RESUME;
	op->asks = PUPPET_SKIP | PUPPET_WRITE_REGS;
	op->rax = ANSWER;
}

/* Returns the length of the hypercall, which ends with three bytes of its own. */
static int put(__u8 *at, const char *prefixes)
{
	int nr_prefixes = strlen(prefixes);

	memcpy(at, prefixes, nr_prefixes);
	memcpy(at + nr_prefixes, guest_hypercall_insn, 3);
	memcpy(at + nr_prefixes + 3, lea_ret, sizeof(lea_ret));
	return nr_prefixes + 3;
}

static void let(const void *at, __u64 rflags)
{
	puppet_let(0, at, 0, 0, 0, 0);
	puppet_in[0].rflags |= rflags;
	op->calls = 0;
}

static void expect_after(const __u8 *at, int size)
{
	puppet_expect_no_fault(0);
	ASSERT_EQ(op->calls, 1);
	ASSERT_EQ(puppet_out[0].gpr[RAX], ANSWER);
	ASSERT_EQ(puppet_out[0].gpr[RBX], (unsigned long)at + size + LEA_SIZE);
}

static void run_at(const __u8 *at, int size)
{
	let(at, 0);
	puppet_turn(&t, 0);
	expect_after(at, size);
}

static void plain(enum test_how how)
{
	start();
	run_at(code, put(code, ""));
	run_at(code, 3);
	puppet_end(&t);
}

/* Those that a CPU does not accept here raise #UD before KVM sees anything. */
static void prefixes(enum test_how how)
{
	static const char *const cases[] = {
		"\xf3", "\xf2", "\x66", "\x67", "\x2e", "\x64", "\x48", "\x4f", "\xf3\x66",
		"\x66\xf3", "\xf3\x48", "\xf3\xf3", "\x2e\x2e\x2e", "\x66\x66\x66\x66\x66\x66\x66",
		"\xf3\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x48",
	};
	unsigned int i, accepted = 0;
	int size;

	start();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size = put(code, cases[i]);
		ASSERT(size <= MAX_INSN);
		let(code, 0);
		puppet_turn(&t, 0);
		if (!op->calls) {
			puppet_expect_fault(0, X86_UD);
			continue;
		}
		expect_after(code, size);
		accepted++;
	}
	note("%u of %u accepted", accepted, i);
	ASSERT(accepted > 5);
	puppet_end(&t);
}

static void page_end(enum test_how how)
{
	int offset, nr;

	start();
	for (nr = 0; nr <= 2; nr++)
		for (offset = 4096 - 6; offset <= 4096; offset++)
			run_at(code + offset,
			       put(code + offset, nr == 2 ? "\x2e\x2e" : nr ? "\x66" : ""));
	puppet_end(&t);
}

/* With RFLAGS.TF, a trap follows the instruction, whoever executed it. */
static void trap_flag(enum test_how how)
{
	int size, offset;

	start();
	for (offset = 0; offset <= 4094; offset += 4094) {
		size = put(code + offset, "");
		let(code + offset, X86_RFLAGS_TF);
		puppet_turn(&t, 0);
		ASSERT_EQ(op->calls, 1);
		ASSERT_EQ(guest_faults[0].vector, X86_DB);
		ASSERT_EQ(guest_faults[0].rip, (unsigned long)code + offset + size);
		ASSERT_EQ(puppet_out[0].gpr[RAX], ANSWER);
	}
	puppet_end(&t);
}

static void step(bool on)
{
	struct kvm_guest_debug debug = {
		.control = on ? KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP : 0,
	};

	vm_ioctl(t.vm->vcpu[0], KVM_SET_GUEST_DEBUG, &debug);
}

/* Steps from before @at to one instruction further, which is at @next. */
static void step_over(const __u8 *at, __u64 next)
{
	unsigned long pc = 0;
	int i;

	let(at, 0);
	for (i = 0; pc != (unsigned long)at; i++) {
		ASSERT(i < 1000);
		/* An IRET has lost it. */
		step(true);
		ASSERT_EQ(puppet_exit(&t, 0), KVM_EXIT_DEBUG);
		pc = t.vm->run->debug.arch.pc;
	}
	ASSERT_EQ(op->calls, 0);
	step(true);
	ASSERT_EQ(puppet_exit(&t, 0), KVM_EXIT_DEBUG);
	ASSERT_EQ(t.vm->run->debug.arch.pc, next);
	ASSERT_EQ(op->calls, 1);
}

static void single_step(enum test_how how)
{
	int size;

	start();
	size = put(code, "");
	step_over(code, (unsigned long)code + size);
	ASSERT_EQ(kvm_run_planes(t.vm->run)->plane, 0);
	ASSERT_EQ(puppet_exit(&t, 0), KVM_EXIT_DEBUG);
	ASSERT_EQ(t.vm->run->debug.arch.pc, (unsigned long)code + size + LEA_SIZE);
	step(false);
	puppet_turn(&t, 0);
	expect_after(code, size);
	puppet_end(&t);
}

/* The switch is made when userspace is told of the step, which ends in the other plane. */
static void step_and_switch(enum test_how how)
{
	struct kvm_regs regs;
	int size;

	start();
	op->verdict = KVM_PLANE_SWITCH;
	op->asks |= PUPPET_SWITCH | PUPPET_SUSPEND;
	op->target = 1;
	op->suspend = 1;
	puppet_let(1, puppet_hlt + 1, 0, 0, 0, 0);
	size = put(code, "");
	vm_ioctl(t.vm->vcpu[1], KVM_GET_REGS, &regs);
	step_over(code, regs.rip);
	ASSERT_EQ(kvm_run_planes(t.vm->run)->plane, 1);
	ASSERT_EQ(kvm_run_planes(t.vm->run)->suspended_planes, 1);
	step(false);
	puppet_turn(&t, 1);
	puppet_turn(&t, 0);
	expect_after(code, size);
	puppet_end(&t);
}

/*
 * As if another vCPU had overwritten the instruction after it was executed: in the fast path, and
 * where the guest is stepped through.
 */
static void overwritten(enum test_how how)
{
	int i;

	start();
	op->asks |= PUPPET_WRITE_MEM;
	op->gpa = (unsigned long)code;
	for (i = 0; i < 2; i++) {
		op->size = 1;
		op->data[0] = i ? 0x90 : 0x06;	/* NOP; what is none in 64-bit mode */
		run_at(code, put(code, ""));
		ASSERT_EQ(code[0], op->data[0]);

		op->size = 3;
		memcpy(op->data, "\x48\x8d\x80", 3);	/* the start of a LEA of seven bytes */
		run_at(code, put(code, ""));

		put(code, "");
		let(code, X86_RFLAGS_TF);
		puppet_turn(&t, 0);
		ASSERT_EQ(guest_faults[0].vector, X86_DB);
		ASSERT_EQ(guest_faults[0].rip, (unsigned long)code + 3);
	}
	puppet_end(&t);
}

/* 32-bit code: the hypercall, and back to 64-bit code, where LEA tells */
static __u8 code32[64];

static void put32(void)
{
	__u8 *p = code32 + 3;

	memcpy(code32, guest_hypercall_insn, 3);
	p[0] = 0xea;			/* ljmp $GUEST_CS, $p + 7 */
	*(__u32 *)(p + 1) = (unsigned long)p + 7;
	*(__u16 *)(p + 5) = GUEST_CS;
	memcpy(p + 7, lea_ret, sizeof(lea_ret));
}

/* The base of GUEST_CS_32 in plane 0; APM volume 2, "Code-segment descriptors" */
static void set_base32(__u32 base)
{
	struct kvm_sregs sregs;
	__u64 *gdt;

	vm_ioctl(t.vm->vcpu[0], KVM_GET_SREGS, &sregs);
	gdt = (__u64 *)sregs.gdt.base;
	gdt[GUEST_CS_32 >> 3] = 0x00cf9b000000ffffULL | (base & 0xffffffULL) << 16 |
				(__u64)(base >> 24) << 56;
}

static void run32(__u32 base)
{
	struct kvm_regs regs;

	set_base32(base);
	put32();
	let((void *)(unsigned long)((__u32)(unsigned long)code32 - base), 0);
	puppet_in[0].cs = GUEST_CS_32;
	op->verdict = KVM_PLANE_RESUME;
	puppet_turn(&t, 0);
	puppet_expect_no_fault(0);
	ASSERT_EQ(op->calls, 1);
	ASSERT_EQ(op->seen.mode, KVM_PLANE_MODE_32BIT);
	ASSERT_EQ((__u32)puppet_out[0].gpr[RAX], (__u32)ANSWER);
	ASSERT_EQ(puppet_out[0].gpr[RBX], (unsigned long)code32 + 10 + LEA_SIZE);

	/* What EIP is, is seen when another plane runs. */
	op->verdict = KVM_PLANE_SWITCH;
	op->asks |= PUPPET_SWITCH;
	op->target = 1;
	puppet_let(1, puppet_hlt + 1, 0, 0, 0, 0);
	kvm_run_planes(t.vm->run)->plane = 0;
	ASSERT_EQ(puppet_run(&t), 1);
	vm_ioctl(t.vm->vcpu[0], KVM_GET_REGS, &regs);
	ASSERT_EQ(regs.rip, (__u32)((unsigned long)code32 - base + 3));
	puppet_turn(&t, 0);
}

static void cs_base(enum test_how how)
{
	unsigned long at = (unsigned long)code32;

	start();
	run32(0);
	run32(0x1000);
	run32(at & ~0xfffUL);
	run32(at - 0x10);
	/* EIP wraps: the last byte of the instruction is at 0xffffffff. */
	run32(at + 3);
	/* Beyond the instruction's own page offset in EIP */
	run32(at + 0x7ff);
	puppet_end(&t);
}

/* The page directory entry that maps WINDOW in plane 0 */
static __u64 *window_entry(void)
{
	struct kvm_sregs sregs;
	__u64 *table;

	vm_ioctl(t.vm->vcpu[0], KVM_GET_SREGS, &sregs);
	table = (__u64 *)sregs.cr3;
	table = (__u64 *)(table[0] & ~0xfffULL);
	table = (__u64 *)(table[WINDOW >> 30 & 511] & ~0xfffULL);
	return &table[WINDOW >> 21 & 511];
}

static __u8 invlpg_ret[] = { 0x0f, 0x01, 0x3b, 0xc3 };	/* invlpg (%rbx) */

static void map_window(const void *address)
{
	*window_entry() = ((unsigned long)address & -HUGE_SIZE) | PTE_LEAF_2M;
	puppet_let(0, invlpg_ret, 0, 0, 0, WINDOW);
	puppet_turn(&t, 0);
}

static __u8 *in_window(const void *address)
{
	return (__u8 *)(WINDOW + ((unsigned long)address & (HUGE_SIZE - 1)));
}

/* The same address is another page from one call to the next. */
static __u8 copies[2][HUGE_SIZE] __attribute__((aligned(HUGE_SIZE)));

static void remapped(enum test_how how)
{
	__u8 *a = copies[0], *b = copies[1];
	int i, size;

	start();
	size = put(a, "");
	ASSERT_EQ(put(b, ""), size);
	for (i = 0; i < 4; i++) {
		map_window(i & 1 ? b : a);
		run_at(in_window(a), size);
		run_at(in_window(a), size);
	}

	/* What was there before is none any more, and what is there now is longer. */
	memset(b, 0x90, 16);
	size = put(a, "\x2e\x2e");
	map_window(a);
	run_at(in_window(a), size);
	memset(a, 0x90, 16);
	size = put(b, "\x66");
	map_window(b);
	run_at(in_window(b), size);
	puppet_end(&t);
}

const struct test tests[] = {
	TEST("a plane goes on after its hypercall", plain),
	TEST("so it does if the instruction has prefixes", prefixes),
	TEST("so it does at the end of a page, and across two", page_end),
	TEST("with RFLAGS.TF, a trap comes after the hypercall", trap_flag),
	TEST("a debugger that steps through the guest sees the hypercall as one step", single_step),
	TEST("a debugger sees the step, and the planes are switched", step_and_switch),
	TEST("a plane goes on after its hypercall though it was overwritten since", overwritten),
	TEST("so it does in 32-bit code whose CS has a base, or whose EIP wraps", cs_base),
	TEST("so it does if the page at the same address is another one", remapped),
	{ }
};
