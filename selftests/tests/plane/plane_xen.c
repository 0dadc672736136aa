// SPDX-License-Identifier: GPL-2.0
/*
 * What KVM has of a Xen guest is plane 0's: no other plane can reach it, and what
 * it asks of Xen is for userspace.
 */
#include <string.h>
#include <sys/ioctl.h>

#include "test.h"

#define XEN_MSR			0x40000200
#define XEN_HC_VERSION		17	/* XENVER_version is 0 */
#define VERSION			0x0004000f

static __u8 page[4096] __attribute__((aligned(4096)));
static volatile bool ask;

static void use_xen(void)
{
	for (;;) {
		struct guest_regs out, regs = {
			.gpr[RAX] = XEN_HC_VERSION,
			.rflags = X86_RFLAGS_FIXED,
			.cs = GUEST_CS,
			.ss = GUEST_DS,
			.rip = (unsigned long)guest_hypercall_insn,
		};

		if (ask) {
			guest_run(&regs, &out);
			guest_sync(out.gpr[RAX]);
		} else {
			wrmsr(XEN_MSR, (unsigned long)page);
			guest_sync(0);
		}
	}
}

static struct vm *start(void)
{
	struct kvm_xen_hvm_config config = {
		.flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL,
		.msr = XEN_MSR,
	};
	struct kvm_xen_hvm_attr version = {
		.type = KVM_XEN_ATTR_TYPE_XEN_VERSION,
		.u.xen_version = VERSION,
	};
	struct vm *vm = vm_create(2);
	int caps = ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_XEN_HVM);
	int p;

	if (!(caps & KVM_XEN_HVM_CONFIG_SHARED_INFO))
		skip("no Xen guests in this KVM");
	vm_ioctl(vm->fd, KVM_XEN_HVM_CONFIG, &config);
	vm_ioctl(vm->fd, KVM_XEN_HVM_SET_ATTR, &version);
	for (p = 0; p < 2; p++)
		vm_start(vm, p, use_xen);
	return vm;
}

static __u8 long_mode(struct vm *vm)
{
	struct kvm_xen_hvm_attr attr = { .type = KVM_XEN_ATTR_TYPE_LONG_MODE };

	vm_ioctl(vm->fd, KVM_XEN_HVM_GET_ATTR, &attr);
	return attr.u.long_mode;
}

static void run(struct vm *vm, int plane)
{
	kvm_run_planes(vm->run)->plane = plane;
	vm_run(vm);
}

static void layout(enum test_how how)
{
	struct vm *vm = start();

	ASSERT_EQ(long_mode(vm), 0);
	memset(page, 0, sizeof(page));
	run(vm, 1);
	ASSERT(vm_guest_call(vm));
	ASSERT_EQ(long_mode(vm), 0);
	/* The page is the plane's, all the same. */
	ASSERT(page[0]);

	run(vm, 0);
	ASSERT(vm_guest_call(vm));
	ASSERT_EQ(long_mode(vm), 1);
	vm_free(vm);
}

static void hypercalls(enum test_how how)
{
	struct vm *vm = start();

	ask = true;
	run(vm, 0);
	ASSERT(vm_guest_call(vm));
	ASSERT_EQ(vm_guest_call(vm)->arg[0], VERSION);

	run(vm, 1);
	ASSERT_EXIT(vm, KVM_EXIT_XEN);
	ASSERT_EQ(vm->run->xen.u.hcall.input, XEN_HC_VERSION);
	vm->run->xen.u.hcall.result = 0x1234;
	run(vm, 1);
	ASSERT(vm_guest_call(vm));
	ASSERT_EQ(vm_guest_call(vm)->arg[0], 0x1234);
	vm_free(vm);
}

const struct test tests[] = {
	TEST("the layout of Xen's shared info is plane 0's to choose", layout),
	TEST("Xen hypercalls of a plane other than 0 are for userspace", hypercalls),
	{ }
};
