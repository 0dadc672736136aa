// SPDX-License-Identifier: GPL-2.0
/*
 * VTL calls and returns that the TLFS does not allow raise #UD in the VTL that
 * made them, at the instruction, and change nothing.
 */
#include "test.h"
#include "vtl_guest.h"
#include "vtl_test.h"

#define UNTOUCHED	0x5a5a0000ULL

/* Real mode: IVT, handler, code and stack in the VMM's low memory */
#define REAL_IVT	0x0800
#define REAL_HANDLER	0x0200
#define REAL_STACK	0x8000
#define REAL_INSN	9
#define REAL_PORT_FAULT	0x80
#define REAL_PORT_NO_FAULT	0x81

static guest_code_t vtl1_cases;

/* One hypercall that must end with #UD and with every register as it was. */
static void must_fault(struct guest_regs *in)
{
	struct guest_fault *fault = &guest_faults[guest_plane()];
	struct guest_regs out;
	__u32 count = fault->count;
	int i;

	for (i = 0; i < NR_GPRS; i++)
		if (i != RAX && i != RCX && i != RSP)
			in->gpr[i] = UNTOUCHED + i;
	in->gpr[RDX] = 0;	/* of a 32-bit control word, the upper half */

	fault->expected = true;
	guest_run(in, &out);
	fault->expected = false;

	if (fault->count != count + 1)
		guest_abort("no #UD (control, input)", in->gpr[RCX], in->gpr[RAX]);
	GUEST_ASSERT_EQ(fault->vector, X86_UD);
	GUEST_ASSERT_EQ(fault->rip, (unsigned long)guest_hypercall_insn);
	GUEST_ASSERT_EQ(fault->cs, in->cs);
	GUEST_ASSERT_EQ(out.rflags, in->rflags);
	for (i = 0; i < NR_GPRS; i++)
		if (i != RSP)
			GUEST_ASSERT_EQ(out.gpr[i], in->gpr[i]);
}

static void hypercall_must_fault(__u64 control, __u64 input)
{
	struct guest_regs in = vtl_hypercall_regs(control, input);

	must_fault(&in);
}

static void control_bits(__u64 code, __u64 input)
{
	int bit;

	for (bit = 16; bit < 64; bit++)
		hypercall_must_fault(code | 1ULL << bit, input);
	hypercall_must_fault(code | ~0xffffULL, input);
}

static void vtl0_control(void)
{
	vtl_enable();
	vtl_call();
	control_bits(HV_VTL_CALL, 0);
	vtl_call();
	guest_done();
}

static void vtl1_control(void)
{
	control_bits(HV_VTL_RETURN, 0);
	control_bits(HV_VTL_RETURN, HV_VTL_RETURN_FAST);
}

static void vtl0_input(void)
{
	int bit;

	vtl_enable();
	vtl_call();
	for (bit = 0; bit < 64; bit++)
		hypercall_must_fault(HV_VTL_CALL, 1ULL << bit);
	vtl_call();
	guest_done();
}

static void vtl1_input(void)
{
	int bit;

	for (bit = 1; bit < 64; bit++) {
		hypercall_must_fault(HV_VTL_RETURN, 1ULL << bit);
		hypercall_must_fault(HV_VTL_RETURN, 1ULL << bit | HV_VTL_RETURN_FAST);
	}
}

static void vtl0_lowest(void)
{
	vtl_enable();
	vtl_call();
	hypercall_must_fault(HV_VTL_RETURN, 0);
	hypercall_must_fault(HV_VTL_RETURN, HV_VTL_RETURN_FAST);
	vtl_call();
	guest_done();
}

static void vtl1_highest(void)
{
	hypercall_must_fault(HV_VTL_CALL, 0);
}

static void user_must_fault(__u64 control, __u64 input)
{
	struct guest_regs in = vtl_hypercall_regs(control, input);

	in.cs = GUEST_USER_CS;
	in.ss = GUEST_USER_DS;
	must_fault(&in);
}

static void vtl0_user(void)
{
	vtl_enable();
	vtl_call();
	user_must_fault(HV_VTL_CALL, 0);
	vtl_call();
	guest_done();
}

static void vtl1_user(void)
{
	user_must_fault(HV_VTL_RETURN, 0);
	user_must_fault(HV_VTL_RETURN, HV_VTL_RETURN_FAST);
}

static void vtl0_nothing(void)
{
	vtl_enable();
	vtl_call();
	vtl_call();
	guest_done();
}

static void no_cases(void)
{
}

/* The assist page is there for what a normal return must not load from it. */
static void vtl1(void)
{
	vtl_enable();
	vtl_enable_assist_page();
	*(__u64 *)&vtl_assist_pages[1][HV_ASSIST_RETURN_RAX] = 1;
	vtl_return(HV_VTL_RETURN_FAST);
	vtl1_cases();
	for (;;)
		vtl_return(HV_VTL_RETURN_FAST);
}

static void run(enum test_how how, guest_code_t vtl0, guest_code_t vtl1_then)
{
	const guest_code_t entry[] = { vtl0, vtl1 };
	struct vtl_test t;

	vtl1_cases = vtl1_then;
	vtl_test_start(&t, how, 2, entry);
	vtl_test_run_to_end(&t);
}

static void call_control(enum test_how how)
{
	run(how, vtl0_control, no_cases);
}

static void return_control(enum test_how how)
{
	run(how, vtl0_nothing, vtl1_control);
}

static void call_input(enum test_how how)
{
	run(how, vtl0_input, no_cases);
}

static void return_input(enum test_how how)
{
	run(how, vtl0_nothing, vtl1_input);
}

static void call_from_highest(enum test_how how)
{
	run(how, vtl0_nothing, vtl1_highest);
}

static void return_from_lowest(enum test_how how)
{
	run(how, vtl0_lowest, no_cases);
}

static void user_mode(enum test_how how)
{
	run(how, vtl0_user, vtl1_user);
}

static void set_real_mode(struct vm *vm)
{
	static const __u8 code[] = {
		0x66, 0xb8, 0x11, 0, 0, 0,		/* mov $0x11, %eax */
		0x66, 0x31, 0xc9,			/* xor %ecx, %ecx */
		0x0f, 0x01, 0,				/* the hypercall, at REAL_INSN */
		0xe6, REAL_PORT_NO_FAULT,
	};
	static const __u8 handler[] = { 0xe6, REAL_PORT_FAULT };
	struct kvm_regs regs = { .rsp = REAL_STACK, .rflags = X86_RFLAGS_FIXED, .rbx = UNTOUCHED };
	__u8 *low = vm->low;
	struct kvm_sregs s;

	memcpy(low, code, sizeof(code));
	low[REAL_INSN + 2] = guest_hypercall_insn[2];
	memcpy(low + REAL_HANDLER, handler, sizeof(handler));
	*(__u16 *)(low + REAL_IVT + 4 * X86_UD) = REAL_HANDLER;
	*(__u16 *)(low + REAL_IVT + 4 * X86_UD + 2) = VMM_LOW_GPA >> 4;

	vm_ioctl(vm->vcpu[0], KVM_GET_SREGS, &s);
	s.cs.base = VMM_LOW_GPA;
	s.cs.selector = VMM_LOW_GPA >> 4;
	s.ss.base = s.cs.base;
	s.ss.selector = s.cs.selector;
	s.idt.base = VMM_LOW_GPA + REAL_IVT;
	s.idt.limit = 4 * 32 - 1;
	vm_ioctl(vm->vcpu[0], KVM_SET_SREGS, &s);
	vm_ioctl(vm->vcpu[0], KVM_SET_REGS, &regs);
}

static void real_mode(enum test_how how)
{
	struct policy policy = { .token = -1 };
	struct vm *vm = vm_create(2);
	struct kvm_regs regs;
	struct vtl vtl;

	set_real_mode(vm);
	vtl_init(&vtl, vm);
	ASSERT(vm_set_msr(vm, 0, HV_MSR_GUEST_OS_ID, 1ULL << 63));
	if (how == BY_POLICY) {
		vtl_policy_load(&policy);
		ASSERT_EQ(vtl_use_policy(&vtl, policy.token), 0);
	}

	vm_run(vm);
	ASSERT_EXIT(vm, KVM_EXIT_IO);
	ASSERT_EQ(vm->run->io.port, REAL_PORT_FAULT);
	ASSERT_EQ(kvm_run_planes(vm->run)->plane, 0);
	vm_ioctl(vm->vcpu[0], KVM_GET_REGS, &regs);
	ASSERT_EQ(regs.rax, HV_VTL_CALL);
	ASSERT_EQ(regs.rcx, 0);
	ASSERT_EQ(regs.rbx, UNTOUCHED);
	ASSERT_EQ(regs.rsp, REAL_STACK - 6);
	ASSERT_EQ(*(__u16 *)((char *)vm->low + REAL_STACK - 6), REAL_INSN);
	vm_free(vm);
	policy_unload(&policy);
}

const struct test tests[] = {
	TEST_BOTH("a VTL call with any other bit in its control word raises #UD", call_control),
	TEST_BOTH("a VTL return with any other bit in its control word raises #UD", return_control),
	TEST_BOTH("a VTL call whose input is not 0 raises #UD", call_input),
	TEST_BOTH("a VTL return whose input is not 0 or 1 raises #UD", return_input),
	TEST_BOTH("a VTL call from the highest VTL raises #UD", call_from_highest),
	TEST_BOTH("a VTL return from VTL 0 raises #UD", return_from_lowest),
	TEST_BOTH("VTL calls and returns at CPL 3 raise #UD", user_mode),
	TEST_BOTH("a VTL call in real mode raises #UD", real_mode),
	{ }
};
