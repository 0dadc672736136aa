// SPDX-License-Identifier: GPL-2.0
/*
 * Planes are created, and go, while vCPUs run and others try the same: one wins,
 * nothing sticks and nothing leaks.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define NR_THREADS	4
#define NR_RACES	10
#define NR_VMS		1000
#define NR_VM_THREADS	8
#define NR_KILLED	10

static struct vm *vm;
static volatile bool stop;
static pthread_barrier_t barrier;

static void sync_forever(void)
{
	for (;;)
		guest_sync(0);
}

static void spin(void)
{
	for (;;)
		;
}

/* Each thread tries every plane, and its vCPU; what it got is in won[]. */
static int won_plane[KVM_MAX_PLANES], won_vcpu[KVM_MAX_PLANES];

static void *create_all(void *unused)
{
	int i, plane, vcpu;

	pthread_barrier_wait(&barrier);
	for (i = 1; i < KVM_MAX_PLANES; i++) {
		plane = ioctl(vm->fd, KVM_CREATE_PLANE, i);
		if (plane >= 0) {
			__atomic_add_fetch(&won_plane[i], 1, __ATOMIC_SEQ_CST);
			__atomic_store_n(&vm->plane[i], plane, __ATOMIC_SEQ_CST);
		} else {
			ASSERT_EQ(errno, EEXIST);
		}
		/* The winner has its fd soon. */
		while ((plane = __atomic_load_n(&vm->plane[i], __ATOMIC_SEQ_CST)) < 0)
			;
		vcpu = ioctl(plane, KVM_CREATE_VCPU_PLANE, vm->vcpu[0]);
		if (vcpu >= 0) {
			__atomic_add_fetch(&won_vcpu[i], 1, __ATOMIC_SEQ_CST);
			vm->vcpu[i] = vcpu;
		} else {
			ASSERT_EQ(errno, EEXIST);
		}
	}
	return unused;
}

static void one_wins(enum test_how how)
{
	pthread_t threads[NR_THREADS];
	int i, race;

	pthread_barrier_init(&barrier, NULL, NR_THREADS + 1);
	for (race = 0; race < NR_RACES; race++) {
		memset(won_plane, 0, sizeof(won_plane));
		memset(won_vcpu, 0, sizeof(won_vcpu));
		vm = vm_create(1);
		vm_start(vm, 0, sync_forever);
		for (i = 0; i < NR_THREADS; i++)
			if (pthread_create(&threads[i], NULL, create_all, NULL))
				fail("pthread_create");
		pthread_barrier_wait(&barrier);
		for (i = 0; i < 20; i++) {
			vm_run(vm);
			ASSERT(vm_guest_call(vm));
		}
		for (i = 0; i < NR_THREADS; i++)
			pthread_join(threads[i], NULL);

		for (i = 1; i < KVM_MAX_PLANES; i++) {
			ASSERT_EQ(won_plane[i], 1);
			ASSERT_EQ(won_vcpu[i], 1);
			vm_start(vm, i, sync_forever);
			kvm_run_planes(vm->run)->plane = i;
			vm_run(vm);
			ASSERT(vm_guest_call(vm));
		}
		vm_free(vm);
	}
}

/* It holds a reference, as the fd does. */
static void unmap_run(void)
{
	int kvm = vmm_open_kvm();
	int size = vm_ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	close(kvm);
	munmap(vm->run, size);
}

static void *run(void *unused)
{
	int vcpu = vm->vcpu[0];

	while (!stop) {
		if (ioctl(vcpu, KVM_RUN, 0) && errno != EINTR && errno != EBADF)
			fail("KVM_RUN: %s", strerror(errno));
		vm->run->immediate_exit = 0;
	}
	return unused;
}

static void on_signal(int signal)
{
	vm->run->immediate_exit = 1;
}

/* A vCPU that runs, with its fds; what is closed is -1. */
static void close_while_running(const int *order)
{
	struct sigaction action = { .sa_handler = on_signal };
	int fds[4], i;
	pthread_t thread;

	stop = false;
	vm = vm_create(2);
	vm_start(vm, 0, spin);
	vm_start(vm, 1, spin);
	kvm_run_planes(vm->run)->plane = 1;
	sigaction(SIGUSR1, &action, NULL);
	if (pthread_create(&thread, NULL, run, NULL))
		fail("pthread_create");
	usleep(2000);
	fds[0] = vm->fd;
	fds[1] = vm->vcpu[0];
	fds[2] = vm->plane[1];
	fds[3] = vm->vcpu[1];
	for (i = 0; i < 4; i++)
		ASSERT_EQ(close(fds[order[i]]), 0);
	stop = true;
	while (pthread_tryjoin_np(thread, NULL)) {
		pthread_kill(thread, SIGUSR1);
		usleep(500);
	}
	unmap_run();
	free(vm->cpuid);
	free(vm);
}

static void every_order(enum test_how how)
{
	int order, i, used;

	for (order = 0; order < 256; order++) {
		int pick[4];

		for (used = 0, i = 0; i < 4; i++) {
			pick[i] = order >> (2 * i) & 3;
			used |= 1 << pick[i];
		}
		if (used == 15)
			close_while_running(pick);
	}
}

static void plane_fd_is_last(enum test_how how)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 0x50 };
	int plane, vcpu1;

	vm = vm_create(2);
	vcpu1 = vm_ioctl(vm->fd, KVM_CREATE_VCPU, 1);
	vm_ioctl(vcpu1, KVM_SET_CPUID2, vm->cpuid);
	plane = vm->plane[1];
	close(vm->fd);
	close(vm->vcpu[0]);
	close(vm->vcpu[1]);

	/* The VM is still there, and so are its vCPUs. */
	vcpu1 = vm_ioctl(plane, KVM_CREATE_VCPU_PLANE, vcpu1);
	ASSERT_EQ(ioctl(plane, KVM_CHECK_EXTENSION, KVM_CAP_SIGNAL_MSI), 1);
	ASSERT(ioctl(plane, KVM_SIGNAL_MSI, &msi) >= 0);
	close(vcpu1);
	ASSERT_ERRNO(ioctl(plane, KVM_CREATE_VCPU_PLANE, plane), EINVAL);
	unmap_run();
	close(plane);
}

/* The number in a file, or -1 */
static long read_number(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = 0;
	close(fd);
	return text[0] ? atol(text) : -1;
}

static const char *vendor_module(void)
{
	return access("/sys/module/kvm_amd", F_OK) ? "kvm_intel" : "kvm_amd";
}

static long module_references(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", vendor_module());
	return read_number(path);
}

static void module_stays(enum test_how how)
{
	long before = module_references();
	int plane;

	vm = vm_create(2);
	ASSERT(module_references() > before);
	plane = vm->plane[1];
	close(vm->fd);
	close(vm->vcpu[0]);
	close(vm->vcpu[1]);
	unmap_run();
	ASSERT(module_references() > before);
	ASSERT_ERRNO(syscall(SYS_delete_module, vendor_module(), O_NONBLOCK), EWOULDBLOCK);
	close(plane);
}

/* Objects of a slab cache; those that CPUs keep are given back first. */
static long count_objects(const char *cache)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", cache);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "1", 1) != 1)
		skip("no %s", path);
	close(fd);
	snprintf(path, sizeof(path), "/sys/kernel/slab/%s/objects", cache);
	return read_number(path);
}

/* VMs of other tests may take a while to go. */
static void wait_for_references(long wanted)
{
	int i;

	for (i = 0; i < 500 && module_references() > wanted; i++)
		usleep(10000);
	ASSERT_EQ(module_references(), wanted);
}

static const char *const caches[] = { "kvm_vcpu", "kvm_mmu_page_header", "x86_emulator" };
#define NR_CACHES	(sizeof(caches) / sizeof(caches[0]))

static void create_and_close(int kvm, unsigned int nr)
{
	int fds[8], n = 0, plane, i;

	fds[n++] = vm_ioctl(kvm, KVM_CREATE_VM, 0);
	fds[n++] = vm_ioctl(fds[0], KVM_CREATE_VCPU, 0);
	for (i = 0; i <= (int)nr % 3; i++) {
		plane = vm_ioctl(fds[0], KVM_CREATE_PLANE, 1 + (nr + i) % 3);
		fds[n++] = plane;
		fds[n++] = vm_ioctl(plane, KVM_CREATE_VCPU_PLANE, fds[1]);
	}
	for (i = 0; i < n; i++)
		close(fds[(nr + (nr & 1 ? n - i : i)) % n]);
}

static unsigned int next_vm;

static void *create_many(void *unused)
{
	int kvm = vmm_open_kvm();
	unsigned int nr;

	while ((nr = __atomic_fetch_add(&next_vm, 1, __ATOMIC_RELAXED)) < NR_VMS)
		create_and_close(kvm, nr);
	close(kvm);
	return unused;
}

static void nothing_leaks(enum test_how how)
{
	long references = module_references(), before[NR_CACHES], after;
	pthread_t threads[NR_VM_THREADS];
	unsigned int i;

	for (i = 0; i < NR_CACHES; i++)
		before[i] = count_objects(caches[i]);
	/* That counting works: a VM adds at least what it has. */
	vm = vm_create(KVM_MAX_PLANES);
	ASSERT(count_objects("kvm_vcpu") >= before[0] + KVM_MAX_PLANES);
	unmap_run();
	vm_free(vm);
	for (i = 0; i < NR_VM_THREADS; i++)
		if (pthread_create(&threads[i], NULL, create_many, NULL))
			fail("pthread_create");
	for (i = 0; i < NR_VM_THREADS; i++)
		pthread_join(threads[i], NULL);

	wait_for_references(references);
	for (i = 0; i < NR_CACHES; i++) {
		after = count_objects(caches[i]);
		note("%s: %ld objects before, %ld after", caches[i], before[i], after);
		ASSERT(after <= before[i]);
	}
}

/* A process with a vCPU in each of its planes' turn, and threads that create more */
static void be_killed(int ready)
{
	pthread_t threads[2];

	pthread_barrier_init(&barrier, NULL, 2);
	vm = vm_create(1);
	vm_start(vm, 0, sync_forever);
	pthread_create(&threads[0], NULL, create_all, NULL);
	pthread_barrier_wait(&barrier);
	pthread_join(threads[0], NULL);
	vm_start(vm, 1, spin);
	kvm_run_planes(vm->run)->plane = 1;
	if (write(ready, "", 1) != 1)
		fail("pipe");
	run(NULL);
}

static void killed(enum test_how how)
{
	long references = module_references();
	int i, status, fds[2];
	char c;
	pid_t pid;

	for (i = 0; i < NR_KILLED; i++) {
		ASSERT_EQ(pipe(fds), 0);
		pid = fork();
		ASSERT(pid >= 0);
		if (!pid)
			be_killed(fds[1]);
		ASSERT_EQ(read(fds[0], &c, 1), 1);
		usleep(i * 300);
		kill(pid, SIGKILL);
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		close(fds[0]);
		close(fds[1]);
	}
	wait_for_references(references);
}

const struct test tests[] = {
	TEST("of those that create the same plane or vCPU at once, while it runs, one does",
	     one_wins),
	TEST("the fds of a vCPU that runs can be closed in every order", every_order),
	TEST("the fd of a plane keeps the VM, and is good for what it was", plane_fd_is_last),
	TEST("the fd of a plane keeps KVM from being unloaded", module_stays),
	TEST("a process that runs a plane can be killed, and its VM is gone", killed),
	TEST("a thousand VMs with planes leave nothing behind", nothing_leaks),
	{ }
};
