// SPDX-License-Identifier: GPL-2.0
/*
 * vtl-secret: a guest whose VTL 1 keeps a key in memory that VTL 0 may not read.
 *
 * VTL 0 has a number encrypted by calling VTL 1, which works, and then reads the
 * key itself, which does not: KVM tells this program, which raises #GP in VTL 0.
 * VTL 1 has had KVM protect the page by asking this program for it. Who switches
 * VTLs, is a policy that somebody loaded and pinned.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "demo.h"
#include "vtl_guest.h"
#include "vtl_switch.h"

#define PIN		"/sys/fs/bpf/planes/vtl"
#define PLAIN		0x1234567890abcdefULL

/* What VTL 1 asks the VMM for, by guest_sync() */
#define PROTECT_KEY	1

/* The guest. */

static volatile __u64 key_page[512] __attribute__((aligned(4096)));
static volatile __u64 key_copy;		/* the VMM's, to check the answer by */
static volatile __u64 number;		/* what VTL 0 has encrypted */

static void vtl1(void)
{
	vtl_enable();
	vtl_enable_assist_page();
	key_page[0] = read_tsc() * 0x9e3779b97f4a7c15ULL;
	key_copy = key_page[0];
	guest_sync(PROTECT_KEY);
	for (;;) {
		vtl_return(HV_VTL_RETURN_FAST);
		number ^= key_page[0];
	}
}

static void vtl0(void)
{
	struct guest_regs in = vtl_hypercall_regs(0, 0), out;
	struct guest_fault *fault = &guest_faults[0];

	vtl_enable();
	vtl_enable_assist_page();
	vtl_call();

	number = PLAIN;
	vtl_call();
	guest_sync(number);

	in.gpr[RDI] = (unsigned long)key_page;
	in.rip = (unsigned long)guest_load;
	fault->expected = true;
	guest_run(&in, &out);
	GUEST_ASSERT_EQ(fault->count, 1);
	GUEST_ASSERT_EQ(fault->vector, X86_GP);
	GUEST_ASSERT_EQ(fault->rip, (unsigned long)guest_load);
	GUEST_ASSERT_EQ(out.gpr[RBX], in.gpr[RBX]);
	fault->expected = false;

	/* And nothing else has changed. */
	vtl_call();
	GUEST_ASSERT_EQ(number, PLAIN);
	guest_done();
}

/* The VMM. */

static void protect_key(struct vm *vm)
{
	struct kvm_memory_attributes attrs = {
		.address = (unsigned long)key_page,
		.size = sizeof(key_page),
		.attributes = KVM_MEMORY_ATTRIBUTE_NR | KVM_MEMORY_ATTRIBUTE_NW |
			      KVM_MEMORY_ATTRIBUTE_NX,
	};

	/* Of plane 0: that is by the VM's fd. */
	vm_ioctl(vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &attrs);
	printf("VTL 1 has a key at 0x%llx, which VTL 0 may not read from now on.\n", attrs.address);
}

/* A hypervisor would tell VTL 1. */
static void refuse(struct vm *vm)
{
	const struct mem_fault *fault = mem_run_fault(vm->run);
	int plane = kvm_run_planes(vm->run)->plane;
	struct kvm_regs regs;

	vm_ioctl(vm->vcpu[plane], KVM_GET_REGS, &regs);
	printf("VTL %d reads 0x%llx at RIP 0x%llx: KVM refuses (access 0x%llx), #GP for VTL %d.\n",
	       plane, fault->gpa, regs.rip, fault->flags, plane);
	if (plane || fault->flags != KVM_MEMORY_EXIT_FLAG_READ ||
	    fault->gpa != (unsigned long)key_page)
		fail("another access was expected");

	vm_raise_gp(vm);
}

static void guest_says(struct vtl *vtl, const struct guest_call *call)
{
	if (call->plane == 1) {
		protect_key(vtl->vm);
		return;
	}
	printf("VTL 0 has 0x%llx encrypted by calling VTL 1: 0x%llx, which is %s.\n",
	       PLAIN, call->arg[0], call->arg[0] == (PLAIN ^ key_copy) ? "right" : "wrong");
	if (call->arg[0] != (PLAIN ^ key_copy))
		exit(EXIT_FAILURE);
}

int main(void)
{
	struct guest_call *call;
	struct vtl vtl;
	int token;

	vtl_init(&vtl, vm_create(2));
	vm_start(vtl.vm, 0, vtl0);
	vm_start(vtl.vm, 1, vtl1);
	token = demo_open_policy(PIN, "vtl");
	if (vtl_use_policy(&vtl, token))
		fail(PIN ": %s", strerror(errno));
	close(token);

	for (;;) {
		if (vm_run_fault(vtl.vm) == KVM_EXIT_MEMORY_FAULT) {
			refuse(vtl.vm);
			continue;
		}
		if (vtl_handle_exit(&vtl))
			continue;
		call = vm_guest_call(vtl.vm);
		if (!call)
			fail("guest, plane %u: %s", kvm_run_planes(vtl.vm->run)->plane,
			     vm_exit_name(vtl.vm->run->exit_reason));
		if (call->cmd == GUEST_DONE)
			break;
		guest_says(&vtl, call);
	}
	printf("VTL 0 went on without the key, and VTL 1 still answers.\n");
	return EXIT_SUCCESS;
}
