// SPDX-License-Identifier: GPL-2.0
/*
 * VMPLs share nothing: registers, FPU, debug registers, MSRs and PKRU are each one's own.
 *
 * All four do the same: give all of it new random values, run any other one, and find their own
 * values again. At each end the VMM compares with what KVM_GET_* say of all of them.
 */
#include <linux/kvm_plane_vmpl.h>

#include "guest_state.h"
#include "test.h"
#include "vmpl_guest.h"
#include "vmpl_test.h"

#define ROUNDS		240
#define CR4_PKE		(1UL << 22)
#define CPUID_7_ECX_PKU	(1U << 3)

/* Key 0 stays open: all pages have it. */
#define PKRU_KEYS	0xfffffffcU

/* Offsets in the XSAVE area; APM volume 1 */
#define XSAVE_XMM	160
#define XSAVE_XMM_END	416
#define XSAVE_YMM	576

static struct {
	__u64 state[NR_STATE];
	struct guest_user_state user;
	struct guest_regs regs;
	__u64 ghcb_msr;
	__u32 pkru;
	bool started;
} own[GUEST_PLANES];

static bool has_pkru;
static __u64 xfeatures;

static __u32 rdpkru(void)
{
	__u32 pkru, edx;

	asm volatile("rdpkru" : "=a"(pkru), "=d"(edx) : "c"(0));
	return pkru;
}

static void wrpkru(__u32 pkru)
{
	asm volatile("wrpkru" : : "a"(pkru), "c"(0), "d"(0) : "memory");
}

/* By the MSR or by the page, to any other VMPL */
static void choose_request(int me)
{
	int next = (me + 1 + guest_state_random(1 << 20) % 3) % GUEST_PLANES;

	own[me].ghcb_msr = guest_state_random(1) ? (unsigned long)&vmpl_ghcbs[me] :
			   (__u64)next << GHCB_MSR_VMPL_SHIFT | GHCB_MSR_RUN_VMPL;
	wrmsr(GHCB_MSR, own[me].ghcb_msr);
	vmpl_fill_ghcb(GHCB_RUN_VMPL, next, 0);
}

static void check_answer(int me)
{
	if (own[me].ghcb_msr & GHCB_MSR_INFO)
		own[me].ghcb_msr = GHCB_MSR_RUN_VMPL_ANSWER;
	else
		GUEST_ASSERT_EQ(vmpl_read_ghcb().info_1, GHCB_OK);
	GUEST_ASSERT_EQ(rdmsr(GHCB_MSR), own[me].ghcb_msr);
}

static void take_turns(void)
{
	int me = guest_plane();
	struct guest_regs *in = &own[me].regs, out;

	guest_state_start(own[me].state);
	*in = vmpl_vmgexit_regs();
	if (has_pkru)
		write_cr4(read_cr4() | CR4_PKE);
	own[me].state[CR4] = read_cr4();
	for (;;) {
		guest_state_choose(own[me].state);
		guest_state_choose_regs(in);
		guest_state_write(own[me].state);
		choose_request(me);
		if (has_pkru) {
			own[me].pkru = guest_state_random(PKRU_KEYS);
			wrpkru(own[me].pkru);
		}
		guest_state_give_user(&own[me].user, in, 0);
		own[me].started = true;
		guest_sync(0);

		guest_run(in, &out);

		guest_state_check_user(&own[me].user, &out);
		guest_state_check(own[me].state);
		GUEST_ASSERT_EQ(out.gpr[RSP], guest_faults[me].resume_rsp);
		GUEST_ASSERT_EQ(out.rflags, in->rflags);
		GUEST_ASSERT_EQ(out.cs, in->cs);
		GUEST_ASSERT_EQ(out.ss, in->ss);
		if (has_pkru)
			GUEST_ASSERT_EQ(rdpkru(), own[me].pkru);
		check_answer(me);
		guest_sync(1);
	}
}

/* The VMM's view. */

static void same_bytes(const __u8 *a, const __u8 *b, int from, int to, int vmpl)
{
	if (memcmp(a + from, b + from, to - from))
		fail("VMPL %d: KVM says its FPU differs at %d", vmpl, from);
}

static void compare_fpu(struct vm *vm, int vmpl)
{
	static struct kvm_xsave xsave;
	const __u8 *found = (const void *)xsave.region;
	const __u8 *given = own[vmpl].user.fpu.byte;
	int i;

	vm_ioctl(vm->vcpu[vmpl], KVM_GET_XSAVE, &xsave);
	for (i = 0; i < 8; i++)
		same_bytes(found, given, 32 + 16 * i, 42 + 16 * i, vmpl);
	same_bytes(found, given, XSAVE_XMM, XSAVE_XMM_END, vmpl);
	if (xfeatures & 4)
		same_bytes(found, given, XSAVE_YMM, XSAVE_SIZE, vmpl);
}

/* The VMPLs that wait are where they left off, and have the answer already. */
static void compare_waiting(struct vm *vm, int vmpl)
{
	struct kvm_regs regs;

	vm_ioctl(vm->vcpu[vmpl], KVM_GET_REGS, &regs);
	vm_compare(vmpl, "RIP", regs.rip, (unsigned long)vmpl_vmgexit + 4);
	vm_compare(vmpl, "RSP", regs.rsp, guest_faults[vmpl].resume_rsp - 8);
	vm_compare(vmpl, "RFLAGS", regs.rflags, own[vmpl].regs.rflags);
	vm_compare(vmpl, "RAX", regs.rax, own[vmpl].user.gpr[RAX]);
	vm_compare(vmpl, "R15", regs.r15, own[vmpl].user.gpr[R15]);
}

static void compare_ghcb_msr(struct vmpl_test *t, int vmpl, bool waits)
{
	__u64 expected = own[vmpl].ghcb_msr;

	if (waits && expected & GHCB_MSR_INFO)
		expected = GHCB_MSR_RUN_VMPL_ANSWER;
	vm_compare(vmpl, "the GHCB MSR",
		   t->vmpl.kernel_msrs ? vm_get_msr(t->vm, vmpl, GHCB_MSR) : t->vmpl.ghcb_msr[vmpl],
		   expected);
}

static void compare_all(struct vmpl_test *t, int running)
{
	int i;

	for (i = 0; i < GUEST_PLANES; i++) {
		if (!own[i].started)
			continue;
		vm_compare_state(t->vm, i, own[i].state);
		vm_compare_user_state(t->vm, i, &own[i].user);
		compare_fpu(t->vm, i);
		compare_ghcb_msr(t, i, i != running);
		if (i != running)
			compare_waiting(t->vm, i);
	}
}

static void start(struct vmpl_test *t, enum test_how how)
{
	const guest_code_t entry[] = { take_turns, take_turns, take_turns, take_turns };

	vmpl_test_start(t, how, GUEST_PLANES, entry);
	if (!guest_state_init(t->vm, test_seed()))
		skip("no XSAVE");
	has_pkru = vm_cpuid(t->vm, 7, 0)->ecx & CPUID_7_ECX_PKU;
	xfeatures = vm_cpuid(t->vm, 0xd, 0)->eax;
	if (!has_pkru)
		note("this CPU has no protection keys");
}

static void state(enum test_how how)
{
	struct vmpl_test t;
	int i;

	start(&t, how);
	for (i = 0; i < ROUNDS; i++)
		compare_all(&t, vmpl_test_run(&t)->plane);
	vmpl_test_end(&t);
}

/* The policy comes and goes all the time. */
static void either(enum test_how how)
{
	bool has_policy = false;
	struct policy_status status;
	__u64 random = test_seed() | 1;
	struct vmpl_test t;
	int i;

	start(&t, BY_USERSPACE);
	vmpl_policy_load(&t.policy);
	for (i = 0; i < ROUNDS; i++) {
		compare_all(&t, vmpl_test_run(&t)->plane);
		if (guest_random(&random) % 8 < 4)
			continue;
		has_policy = !has_policy;
		ASSERT_EQ(vmpl_use_policy(&t.vmpl, has_policy ? t.policy.token : -1), 0);
	}
	ASSERT(policy_read_status(t.vm, &status));
	ASSERT(status.switches > 20);
	ASSERT(t.vmpl.switches > 20);
	vm_free(t.vm);
	policy_unload(&t.policy);
}

const struct test tests[] = {
	TEST_BOTH("what a VMPL has in registers stays there while others run", state),
	TEST("so it does if a policy comes and goes", either),
	{ }
};
