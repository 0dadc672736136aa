/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest's assembly: running with every register chosen, and exceptions.
 */

/* struct guest_regs */
#define RFLAGS	128
#define CS	136
#define SS	144
#define RIP	152

	.data
	.balign 64
	.globl guest_hypercall_insn
guest_hypercall_insn:
	.byte 0x0f, 0x01, 0xc1, 0xc3	/* VMCALL; RET */

	.text

/*
 * void guest_run_asm(in, out, fault)
 *
 * IRET starts it, so that RFLAGS, CS and SS are the ones asked for.
 */
	.globl guest_run_asm
guest_run_asm:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rsi
	mov	%rsp, (%rdx)
	lea	guest_run_end(%rip), %rax
	push	%rax
	mov	%rsp, %rax
	push	SS(%rdi)
	push	%rax
	push	RFLAGS(%rdi)
	push	CS(%rdi)
	push	RIP(%rdi)
	mov	0*8(%rdi), %rax
	mov	1*8(%rdi), %rcx
	mov	2*8(%rdi), %rdx
	mov	3*8(%rdi), %rbx
	mov	5*8(%rdi), %rbp
	mov	6*8(%rdi), %rsi
	mov	8*8(%rdi), %r8
	mov	9*8(%rdi), %r9
	mov	10*8(%rdi), %r10
	mov	11*8(%rdi), %r11
	mov	12*8(%rdi), %r12
	mov	13*8(%rdi), %r13
	mov	14*8(%rdi), %r14
	mov	15*8(%rdi), %r15
	mov	7*8(%rdi), %rdi
	iretq

	.globl guest_run_end
guest_run_end:
	pushfq
	push	%rax
	mov	16(%rsp), %rax
	mov	%rcx, 1*8(%rax)
	mov	%rdx, 2*8(%rax)
	mov	%rbx, 3*8(%rax)
	mov	%rbp, 5*8(%rax)
	mov	%rsi, 6*8(%rax)
	mov	%rdi, 7*8(%rax)
	mov	%r8, 8*8(%rax)
	mov	%r9, 9*8(%rax)
	mov	%r10, 10*8(%rax)
	mov	%r11, 11*8(%rax)
	mov	%r12, 12*8(%rax)
	mov	%r13, 13*8(%rax)
	mov	%r14, 14*8(%rax)
	mov	%r15, 15*8(%rax)
	lea	16(%rsp), %rcx
	mov	%rcx, 4*8(%rax)
	pop	%rcx
	mov	%rcx, 0*8(%rax)
	pop	%rcx
	mov	%rcx, RFLAGS(%rax)
	mov	%cs, %ecx
	mov	%rcx, CS(%rax)
	mov	%ss, %ecx
	mov	%rcx, SS(%rax)
	push	$2
	popfq
	pop	%rsi
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret

/* RBX = *(u64 *)RDI, and the other way round */
	.globl guest_load
guest_load:
	mov	(%rdi), %rbx
	ret

	.globl guest_store
guest_store:
	mov	%rbx, (%rdi)
	ret

/* Exceptions and interrupts: struct guest_frame on the stack for guest_exception(), to change. */
	.balign 16
	.globl guest_vectors
guest_vectors:
	.set	vector, 0
	.rept	256
	.balign 16
	.if	!(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || \
		  vector == 29 || vector == 30)
	push	$0
	.endif
	push	$vector
	jmp	exception
	.set	vector, vector + 1
	.endr

exception:
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%r11
	push	%r10
	push	%r9
	push	%r8
	push	%rdi
	push	%rsi
	push	%rbp
	push	%rsp
	push	%rbx
	push	%rdx
	push	%rcx
	push	%rax
	mov	%rsp, %rdi
	call	guest_exception
	pop	%rax
	pop	%rcx
	pop	%rdx
	pop	%rbx
	add	$8, %rsp
	pop	%rbp
	pop	%rsi
	pop	%rdi
	pop	%r8
	pop	%r9
	pop	%r10
	pop	%r11
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	add	$16, %rsp
	iretq

	.section .note.GNU-stack, "", @progbits
