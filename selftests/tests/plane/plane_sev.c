// SPDX-License-Identifier: GPL-2.0
/*
 * A VM is an SEV-ES guest, whose registers KVM cannot read, or has planes; whichever comes
 * first. The type of the VM does not tell: KVM_SEV_ES_INIT is for the default one.
 */
#include <sys/ioctl.h>
#include <unistd.h>

#include "test.h"

static int es_init(int vm)
{
	struct kvm_sev_cmd cmd = { .id = KVM_SEV_ES_INIT };

	return ioctl(vm, KVM_MEMORY_ENCRYPT_OP, &cmd);
}

static int create_vm(void)
{
	int kvm = vmm_open_kvm();
	int vm = vm_ioctl(kvm, KVM_CREATE_VM, 0);

	if (ioctl(vm, KVM_MEMORY_ENCRYPT_OP, 0))
		skip("no SEV");
	close(kvm);
	return vm;
}

static void no_planes(enum test_how how)
{
	int vm = create_vm();

	ASSERT(ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_PLANE) > 0);
	if (es_init(vm))
		skip("no SEV-ES: %s", strerror(errno));
	ASSERT_EQ(ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_PLANE), 0);
	ASSERT_ERRNO(ioctl(vm, KVM_CREATE_PLANE, 1), EINVAL);
	ASSERT_ERRNO(vm_enable_cap(vm, KVM_CAP_PLANE, 0, 0, 0), EOPNOTSUPP);
}

static void no_sev(enum test_how how)
{
	int vm = create_vm();

	if (es_init(create_vm()))
		skip("no SEV-ES: %s", strerror(errno));
	vm_ioctl(vm, KVM_CREATE_PLANE, 1);
	ASSERT_ERRNO(es_init(vm), EINVAL);
	ASSERT_ERRNO(ioctl(vm, KVM_CREATE_PLANE, 1), EEXIST);
	vm_ioctl(vm, KVM_CREATE_PLANE, 2);
}

const struct test tests[] = {
	TEST("an SEV-ES guest cannot get planes", no_planes),
	TEST("a VM with planes cannot become an SEV-ES guest", no_sev),
	{ }
};
