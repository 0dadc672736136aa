// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's side of talking to the VMM, and its exceptions.
 */
#include "guest.h"

struct guest_fault guest_faults[GUEST_PLANES];
void (*guest_irq_handler)(__u8 vector, const __u64 *gpr);
__u8 guest_stacks[GUEST_PLANES][GUEST_STACK_SIZE] __attribute__((aligned(4096)));

/* What guest_asm.S has pushed when it calls guest_exception(). */
struct guest_frame {
	__u64 gpr[NR_GPRS];
	__u64 vector;
	__u64 error;
	__u64 rip;
	__u64 cs;
	__u64 rflags;
	__u64 rsp;
	__u64 ss;
};

void guest_run_asm(const struct guest_regs *in, struct guest_regs *out,
		   struct guest_fault *fault);
extern char guest_run_end[];

static void guest_call(struct guest_call *call)
{
	call->plane = guest_plane();
	asm volatile("out %0, %1"
		     : : "a"((__u32)(unsigned long)call), "d"((__u16)GUEST_PORT) : "memory");
}

/* A plane is known by its stack: registers are what is tested. */
__u32 guest_plane(void)
{
	unsigned long sp = (unsigned long)__builtin_frame_address(0);

	return (sp - (unsigned long)guest_stacks) / GUEST_STACK_SIZE;
}

void guest_sync(__u64 value)
{
	struct guest_call call = { .cmd = GUEST_SYNC };

	call.arg[0] = value;
	guest_call(&call);
}

void guest_done(void)
{
	struct guest_call call = { .cmd = GUEST_DONE };

	for (;;)
		guest_call(&call);
}

void guest_abort(const char *text, __u64 a, __u64 b)
{
	struct guest_call call = { .cmd = GUEST_ABORT, .text = text };

	call.arg[0] = a;
	call.arg[1] = b;
	for (;;)
		guest_call(&call);
}

void guest_run(const struct guest_regs *in, struct guest_regs *out)
{
	guest_run_asm(in, out, &guest_faults[guest_plane()]);
}

/* Not one that an instruction raises */
static bool is_event(__u64 vector)
{
	return vector >= X86_FIRST_IRQ || vector == X86_NMI || vector == X86_HV;
}

void guest_exception(struct guest_frame *frame);
void guest_exception(struct guest_frame *frame)
{
	struct guest_fault *fault = &guest_faults[guest_plane()];

	if (guest_irq_handler && is_event(frame->vector)) {
		guest_irq_handler(frame->vector, frame->gpr);
		return;
	}
	if (!fault->expected)
		guest_abort("exception (vector, RIP)", frame->vector, frame->rip);

	fault->count++;
	fault->vector = frame->vector;
	fault->rip = frame->rip;
	fault->cs = frame->cs;

	frame->rflags &= ~X86_RFLAGS_TF;
	frame->rip = (unsigned long)guest_run_end;
	frame->rsp = fault->resume_rsp;
	frame->cs = GUEST_CS;
	frame->ss = GUEST_DS;
}
