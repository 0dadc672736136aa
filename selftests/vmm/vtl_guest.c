// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's side of VTLs. See vtl_guest.h.
 */
#include "vtl_guest.h"

/* TLFS, "Reporting the guest OS identity": open source (bit 63), Linux (bits 62:56) */
#define GUEST_OS_ID		0x8100000000000000ULL

__u8 vtl_assist_pages[GUEST_PLANES][4096] __attribute__((aligned(4096)));
static void (*serve_entered[GUEST_PLANES])(__u64 *gpr);
static __u8 hypercall_pages[GUEST_PLANES][4096] __attribute__((aligned(4096)));

void vtl_enable(void)
{
	wrmsr(HV_MSR_GUEST_OS_ID, GUEST_OS_ID);
	wrmsr(HV_MSR_HYPERCALL, (unsigned long)hypercall_pages[guest_plane()] | HV_MSR_ENABLE);
}

void vtl_enable_assist_page(void)
{
	wrmsr(HV_MSR_VP_ASSIST_PAGE,
	      (unsigned long)vtl_assist_pages[guest_plane()] | HV_MSR_ENABLE);
}

struct guest_regs vtl_hypercall_regs(__u64 control, __u64 input)
{
	return (struct guest_regs) {
		.gpr[RAX] = input,
		.gpr[RCX] = control,
		.rflags = X86_RFLAGS_FIXED,
		.cs = GUEST_CS,
		.ss = GUEST_DS,
		.rip = (unsigned long)guest_hypercall_insn,
	};
}

static void hypercall(__u64 control, __u64 input, __u64 rflags)
{
	struct guest_regs in = vtl_hypercall_regs(control, input);
	struct guest_regs out;

	in.rflags |= rflags;
	guest_run(&in, &out);
}

void vtl_call(void)
{
	hypercall(HV_VTL_CALL, 0, 0);
}

void vtl_call_irqs_on(void)
{
	hypercall(HV_VTL_CALL, 0, X86_RFLAGS_IF);
}

void vtl_return(__u64 input)
{
	hypercall(HV_VTL_RETURN, input, 0);
}

void vtl_return_forever(void)
{
	vtl_enable();
	for (;;)
		vtl_return(HV_VTL_RETURN_FAST);
}

/* The first return, before anybody has entered it, is a fast one. */
__noreturn void vtl_serve_asm(void);
asm(".pushsection .text\n"
	"vtl_serve_asm:\n"
	"	mov	$" GUEST_STR(HV_VTL_RETURN_FAST) ", %eax\n"
	"1:	mov	$" GUEST_STR(HV_VTL_RETURN) ", %ecx\n"
	"	call	guest_hypercall_insn\n"
	"	push	%r15\n"
	"	push	%r14\n"
	"	push	%r13\n"
	"	push	%r12\n"
	"	push	%r11\n"
	"	push	%r10\n"
	"	push	%r9\n"
	"	push	%r8\n"
	"	push	%rdi\n"
	"	push	%rsi\n"
	"	push	%rbp\n"
	"	push	%rsp\n"
	"	push	%rbx\n"
	"	push	%rdx\n"
	"	push	%rcx\n"
	"	push	%rax\n"
	"	mov	%rsp, %rdi\n"
	"	call	vtl_serve_entered\n"
	"	pop	%rax\n"
	"	pop	%rcx\n"
	"	pop	%rdx\n"
	"	pop	%rbx\n"
	"	pop	%rbp\n"
	"	pop	%rbp\n"
	"	pop	%rsi\n"
	"	pop	%rdi\n"
	"	pop	%r8\n"
	"	pop	%r9\n"
	"	pop	%r10\n"
	"	pop	%r11\n"
	"	pop	%r12\n"
	"	pop	%r13\n"
	"	pop	%r14\n"
	"	pop	%r15\n"
	"	xor	%eax, %eax\n"
	"	jmp	1b\n"
	".popsection\n");

void vtl_serve_entered(__u64 *gpr);
void vtl_serve_entered(__u64 *gpr)
{
	__u32 vtl = guest_plane();
	__u64 *return_regs = (__u64 *)&vtl_assist_pages[vtl][HV_ASSIST_RETURN_RAX];

	if (serve_entered[vtl])
		serve_entered[vtl](gpr);
	return_regs[0] = gpr[RAX];
	return_regs[1] = gpr[RCX];
}

void vtl_serve(void (*entered)(__u64 *gpr))
{
	vtl_enable();
	vtl_enable_assist_page();
	serve_entered[guest_plane()] = entered;
	vtl_serve_asm();
}

__u32 vtl_entry_reason(void)
{
	return *(volatile __u32 *)&vtl_assist_pages[guest_plane()][HV_ASSIST_ENTRY_REASON];
}
