// SPDX-License-Identifier: GPL-2.0
/*
 * A lower VTL violates memory attributes: KVM_RUN ends with all that a VMM needs to
 * have VTL 1 decide on that (TLFS, "Secure intercepts"), and goes on when it has.
 */
#include <stdlib.h>
#include <sys/ioctl.h>

#include "mem_test.h"
#include "vtl_guest.h"
#include "vtl_test.h"

#define VALUE		0x1122334455667788ULL
#define INSN_SIZE	3	/* MOV %RAX, (%RBX) */

/* TLFS, HV_MESSAGE and HV_X64_MEMORY_INTERCEPT_MESSAGE, of which this is a part */
#define HV_MESSAGE_GPA_INTERCEPT	0x80000001
#define HV_INTERCEPT_WRITE		1

struct hv_memory_intercept {
	__u32 type;
	__u8 size;
	__u8 flags[3];
	__u64 sender;
	__u32 vp;
	__u8 insn_length;
	__u8 access;
	__u16 state;
	__u8 cs[16];
	__u64 rip;
	__u64 rflags;
	__u8 other[8];
	__u64 gva;
	__u64 gpa;
};

static __u8 secret[4096] __attribute__((aligned(4096)));
static struct hv_memory_intercept seen;
static volatile __u32 entries;
extern __u8 write_secret[];

static void vtl0(void)
{
	__u64 flags;

	vtl_enable();
	vtl_call();
	guest_sync(1);
	asm volatile(".globl write_secret\n"
		     "write_secret: mov %1, (%2)\n"
		     "pushfq; pop %0"
		     : "=r"(flags) : "a"(VALUE), "b"(secret) : "memory");
	guest_sync(2);
	vtl_call();
	guest_done();
}

/* Reads its intercept message, as a secure kernel does. */
static void on_intercept(__u64 *gpr)
{
	if (!entries++)
		GUEST_ASSERT_EQ(vtl_entry_reason(), HV_ENTRY_REASON_INTERCEPT);
	else
		GUEST_ASSERT_EQ(vtl_entry_reason(), HV_ENTRY_REASON_CALL);
	seen = *(struct hv_memory_intercept *)&vtl_assist_pages[1][HV_ASSIST_INTERCEPT];
	guest_sync(3);
}

static void vtl1(void)
{
	vtl_serve(on_intercept);
}

static void protect(struct vm *vm, __u64 attributes)
{
	struct kvm_memory_attributes attrs = {
		.address = (unsigned long)secret,
		.size = sizeof(secret),
		.attributes = attributes,
	};

	vm_ioctl(vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &attrs);
}

/* From nothing but what the exit left in kvm_run. */
static struct hv_memory_intercept make_intercept(const struct kvm_run *run)
{
	const struct kvm_sync_regs *sync = &run->s.regs;
	struct hv_memory_intercept message = {
		.type = HV_MESSAGE_GPA_INTERCEPT,
		.rip = sync->regs.rip,
		.rflags = sync->regs.rflags,
		.gpa = mem_run_fault(run)->gpa,
	};

	if (mem_run_fault(run)->flags & KVM_MEMORY_EXIT_FLAG_WRITE)
		message.access = HV_INTERCEPT_WRITE;
	/* CPL, PE, LMA and the VTL */
	message.state = (sync->sregs.cs.selector & 3) | (sync->sregs.cr0 & 1) << 2 |
			(sync->sregs.efer >> 10 & 1) << 4 |
			kvm_run_planes((struct kvm_run *)run)->plane << 7;
	return message;
}

static void expect_fault(struct vtl_test *t)
{
	ASSERT_EQ(ioctl(t->vm->vcpu[0], KVM_RUN, 0), -1);
	ASSERT_EQ(errno, EFAULT);
	ASSERT_EXIT(t->vm, KVM_EXIT_MEMORY_FAULT);
	ASSERT_EQ(kvm_run_planes(t->vm->run)->plane, 0);
	ASSERT_EQ(kvm_run_planes(t->vm->run)->suspended_planes, 0);
	ASSERT_EQ(mem_run_fault(t->vm->run)->size, MEM_PAGE);
	ASSERT_EQ(t->vm->run->s.regs.regs.rax, VALUE);
	ASSERT_EQ(*(__u64 *)secret, 0);
}

/* Whether the CPU has this feature, as the kernel names it. */
static bool cpu_has(const char *feature)
{
	char line[8192], *word, *rest;
	FILE *f = fopen("/proc/cpuinfo", "r");
	bool has = false;

	while (f && !has && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "flags", 5))
			continue;
		for (word = strtok_r(line, " \t\n", &rest); word && !has;
		     word = strtok_r(NULL, " \t\n", &rest))
			has = !strcmp(word, feature);
	}
	if (f)
		fclose(f);
	return has;
}

/* The bytes of write_secret, where the CPU tells them; else nothing, and nothing old. */
static void expect_insn(struct kvm_run *run)
{
	static const struct kvm_plane_insn none;
	const struct kvm_plane_insn *insn = kvm_run_plane_insn(run);

	if (cpu_has("decodeassists")) {
		ASSERT(insn->fetched >= INSN_SIZE);
		ASSERT(!memcmp(insn->bytes, write_secret, INSN_SIZE));
		ASSERT_EQ(insn->length, 0);
	} else {
		ASSERT(!memcmp(insn, &none, sizeof(none)));
	}
}

static void intercept(enum test_how how)
{
	const guest_code_t entry[] = { vtl0, vtl1 };
	struct hv_memory_intercept message;
	struct vtl_test t;

	vtl_test_start(&t, how, 2, entry);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 1);
	protect(t.vm, NW);
	memset(kvm_run_plane_insn(t.vm->run), 0xff, sizeof(struct kvm_plane_insn));
	expect_fault(&t);
	expect_insn(t.vm->run);
	/* Nothing has changed: it faults again. */
	expect_fault(&t);

	message = make_intercept(t.vm->run);
	memcpy(&vtl_assist_pages[1][HV_ASSIST_INTERCEPT], &message, sizeof(message));
	vtl_enter(&t.vtl, 1, HV_ENTRY_REASON_INTERCEPT);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 3);
	ASSERT_EQ(kvm_run_planes(t.vm->run)->plane, 1);
	ASSERT_EQ(kvm_run_planes(t.vm->run)->suspended_planes, 1);
	ASSERT_EQ(seen.gpa, (unsigned long)secret);
	ASSERT_EQ(seen.access, HV_INTERCEPT_WRITE);
	ASSERT_EQ(seen.rip, (unsigned long)write_secret);
	ASSERT_EQ(seen.state, 1U << 2 | 1U << 4);

	/* VTL 1 allows it, and returns: VTL 0 makes the access, and so does the rest. */
	protect(t.vm, 0);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 2);
	ASSERT_EQ(*(__u64 *)secret, VALUE);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 3);
	vtl_test_run_to_end(&t);
}

/* Or VTL 1 skips the instruction, by what it may do to VTL 0's registers: the VMM's part. */
static void skipped(enum test_how how)
{
	const guest_code_t entry[] = { vtl0, vtl1 };
	struct vtl_test t;
	struct kvm_regs regs;

	vtl_test_start(&t, how, 2, entry);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 1);
	protect(t.vm, NW);
	expect_fault(&t);
	vtl_enter(&t.vtl, 1, HV_ENTRY_REASON_INTERCEPT);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 3);
	vm_ioctl(t.vm->vcpu[0], KVM_GET_REGS, &regs);
	ASSERT_EQ(regs.rip, (unsigned long)write_secret);
	regs.rip += INSN_SIZE;
	vm_ioctl(t.vm->vcpu[0], KVM_SET_REGS, &regs);
	t.vtl.state[0].known = false;
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 2);
	ASSERT_EQ(*(__u64 *)secret, 0);
	vtl_test_end(&t);
}

const struct test tests[] = {
	TEST_BOTH("a VMM can tell VTL 1 of a violation by VTL 0, and go on as VTL 1 says",
		  intercept),
	TEST_BOTH("VTL 0's registers can be changed before VTL 1 returns to it", skipped),
	{ }
};
