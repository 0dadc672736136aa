// SPDX-License-Identifier: GPL-2.0
/*
 * VTL calls and returns made by 32-bit code: the control word is in EDX:EAX, the
 * input in ECX, and a return loads EAX, ECX and EDX (TLFS, "VTL call", "VTL
 * return").
 */
#include "test.h"
#include "vtl_guest.h"
#include "vtl_test.h"

#define RETURN_EAX	0x11112222U
#define RETURN_ECX	0x33334444U
#define RETURN_EDX	0x55556666U
#define OTHER		0x77778888U

/* The hypercall in 32-bit code, and back to 64-bit code. */
extern char hypercall32[];
asm(".pushsection .text\n"
	".code32\n"
	"hypercall32:\n"
	"	call	guest_hypercall_insn\n"
	"	ljmp	$" GUEST_STR(GUEST_CS) ", $1f\n"
	".code64\n"
	"1:	ret\n"
	".popsection\n");

static struct guest_regs vtl1_in, vtl1_entered;

static struct guest_regs regs32(__u64 control, __u32 input)
{
	struct guest_regs regs = vtl_hypercall_regs(input, (__u32)control);

	regs.gpr[RDX] = control >> 32;
	regs.gpr[RBX] = OTHER;
	regs.cs = GUEST_CS_32;
	regs.rip = (unsigned long)hypercall32;
	return regs;
}

static void vtl1(void)
{
	vtl_enable();
	vtl_enable_assist_page();
	vtl_return(HV_VTL_RETURN_FAST);
	for (;;)
		guest_run(&vtl1_in, &vtl1_entered);
}

/* The first of them lets VTL 1 wait in guest_run(). */
static void prepare(const struct guest_regs *vtl1_returns)
{
	vtl_enable();
	vtl_enable_assist_page();
	vtl1_in = *vtl1_returns;
	vtl_call();
	vtl_call();
}

static void vtl0_call(void)
{
	struct guest_regs fast = vtl_hypercall_regs(HV_VTL_RETURN, HV_VTL_RETURN_FAST);
	struct guest_regs in = regs32(HV_VTL_CALL, 0), out;

	prepare(&fast);
	guest_run(&in, &out);
	GUEST_ASSERT_EQ(vtl1_entered.gpr[RAX], HV_VTL_CALL);
	GUEST_ASSERT_EQ(vtl1_entered.gpr[RCX], 0);
	GUEST_ASSERT_EQ(vtl1_entered.gpr[RDX], 0);
	GUEST_ASSERT_EQ(vtl1_entered.gpr[RBX], OTHER);
	GUEST_ASSERT_EQ(out.gpr[RAX], HV_VTL_RETURN_FAST);
	GUEST_ASSERT_EQ(out.gpr[RCX], HV_VTL_RETURN);
	guest_done();
}

static void vtl0_fast(void)
{
	struct guest_regs fast = regs32(HV_VTL_RETURN, HV_VTL_RETURN_FAST);
	struct guest_regs in = vtl_hypercall_regs(HV_VTL_CALL, 0), out;

	prepare(&fast);
	guest_run(&in, &out);
	GUEST_ASSERT_EQ(out.gpr[RAX], HV_VTL_RETURN);
	GUEST_ASSERT_EQ(out.gpr[RCX], HV_VTL_RETURN_FAST);
	GUEST_ASSERT_EQ(out.gpr[RDX], 0);
	GUEST_ASSERT_EQ(out.gpr[RBX], OTHER);
	guest_done();
}

static void vtl0_normal(void)
{
	struct guest_regs normal = regs32(HV_VTL_RETURN, 0);
	struct guest_regs in = vtl_hypercall_regs(HV_VTL_CALL, 0), out;
	__u32 *page = (__u32 *)&vtl_assist_pages[1][HV_ASSIST_RETURN_RAX];

	prepare(&normal);
	page[0] = RETURN_EAX;
	page[1] = RETURN_ECX;
	page[2] = RETURN_EDX;
	guest_run(&in, &out);
	GUEST_ASSERT_EQ(out.gpr[RAX], RETURN_EAX);
	GUEST_ASSERT_EQ(out.gpr[RCX], RETURN_ECX);
	GUEST_ASSERT_EQ(out.gpr[RDX], RETURN_EDX);
	GUEST_ASSERT_EQ(out.gpr[RBX], OTHER);
	guest_done();
}

static void must_fault(__u64 control, __u32 input)
{
	struct guest_fault *fault = &guest_faults[guest_plane()];
	struct guest_regs in = regs32(control, input), out;
	__u32 count = fault->count;

	fault->expected = true;
	guest_run(&in, &out);
	fault->expected = false;

	if (fault->count != count + 1)
		guest_abort("no #UD (control, input)", control, input);
	GUEST_ASSERT_EQ(fault->vector, X86_UD);
	GUEST_ASSERT_EQ(fault->rip, (unsigned long)guest_hypercall_insn);
	GUEST_ASSERT_EQ(fault->cs, GUEST_CS_32);
	GUEST_ASSERT_EQ(out.gpr[RAX], in.gpr[RAX]);
	GUEST_ASSERT_EQ(out.gpr[RCX], in.gpr[RCX]);
	GUEST_ASSERT_EQ(out.gpr[RDX], in.gpr[RDX]);
}

static void vtl0_faults(void)
{
	struct guest_regs fast = vtl_hypercall_regs(HV_VTL_RETURN, HV_VTL_RETURN_FAST);
	int bit;

	prepare(&fast);
	for (bit = 16; bit < 64; bit++)
		must_fault(HV_VTL_CALL | 1ULL << bit, 0);
	for (bit = 0; bit < 32; bit++)
		must_fault(HV_VTL_CALL, 1U << bit);
	must_fault(HV_VTL_RETURN, 0);
	must_fault(HV_VTL_RETURN, HV_VTL_RETURN_FAST);
	guest_done();
}

static void run(enum test_how how, guest_code_t vtl0)
{
	const guest_code_t entry[] = { vtl0, vtl1 };
	struct vtl_test t;

	vtl_test_start(&t, how, 2, entry);
	vtl_test_run_to_end(&t);
}

static void call(enum test_how how)
{
	run(how, vtl0_call);
}

static void fast_return(enum test_how how)
{
	run(how, vtl0_fast);
}

static void normal_return(enum test_how how)
{
	run(how, vtl0_normal);
}

static void faults(enum test_how how)
{
	run(how, vtl0_faults);
}

const struct test tests[] = {
	TEST_BOTH("32-bit code can make a VTL call", call),
	TEST_BOTH("32-bit code can make a fast VTL return", fast_return),
	TEST_BOTH("a VTL return of 32-bit code loads EAX, ECX and EDX", normal_return),
	TEST_BOTH("a VTL call or return of 32-bit code that is not allowed raises #UD", faults),
	{ }
};
