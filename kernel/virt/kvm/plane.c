// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM planes: creating them, and what can be asked of them.
 *
 * Locks: kvm->lock protects the table of planes. What concerns the state of a
 * vCPU's planes is under the mutex of plane 0's vCPU: the ioctls of every plane,
 * and KVM_RUN, which may so run any of them. A sibling's own mutex is taken inside
 * it by the stock ioctl path and never contended. A sibling can be added without
 * waiting for KVM_RUN: kvm_plane_vcpu.cpuid_lock of plane 0's vCPU, which nests inside
 * vCPU mutexes, keeps the state from changing that siblings have in common, CPUID.
 *
 * Timers, work and interrupts of one plane reach the sibling that runs through
 * kvm_plane_vcpu.running, from any context, also while the VM is destroyed. They read it
 * under RCU, and destruction waits for them before it frees the first vCPU.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/anon_inodes.h>
#include <linux/debugfs.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kvm_host.h>
#include <linux/nospec.h>
#include <linux/seq_file.h>

#include "plane_main.h"

/**
 * struct kvm_plane - a plane of a VM other than plane 0
 * @kvm: the VM; the file holds a reference, so that any order of closing is safe
 * @id: 1 to 3
 */
struct kvm_plane {
	struct kvm *kvm;
	u8 id;
};

/* See kvm_plane_use(). Kernel text is not patched back and forth as VMs come and go. */
DEFINE_STATIC_KEY_DEFERRED_FALSE(kvm_planes_used, HZ);
/* For kvm-amd and kvm-intel */
EXPORT_SYMBOL_GPL(kvm_planes_used);
static DEFINE_MUTEX(kvm_planes_used_lock);

/* A sibling's mutex nests inside plane 0's. */
static struct lock_class_key kvm_plane_vcpu_mutex_key;

static atomic64_t kvm_plane_vm_ids = ATOMIC64_INIT(0);

/* Called for every vCPU, which is plane 0's until its creator says otherwise. */
void kvm_plane_vcpu_init(struct kvm_vcpu *vcpu)
{
	vcpu->plane.vcpu0 = vcpu;
	vcpu->plane.hyperv = vcpu->kvm->planes.hyperv[0];
	vcpu->plane.sibling[0] = vcpu;
	vcpu->plane.present = BIT(0);
	vcpu->plane.running = vcpu;
	mutex_init(&vcpu->plane.cpuid_lock);
}

/* Those that KVM made, not those that userspace asked for. */
static u64 kvm_plane_nr_switches(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	unsigned int cause;
	unsigned long i;
	u64 sum = 0;

	kvm_for_each_plane_vcpu(i, vcpu, kvm)
		for (cause = 0; cause < KVM_PLANE_CAUSE_USER; cause++)
			sum += READ_ONCE(vcpu->plane.stat.switches[cause]);
	return sum;
}

/* debugfs kvm/<pid>-<fd>/plane_policy: who switches this VM's planes, and how often */
static int kvm_plane_policy_show(struct seq_file *m, void *unused)
{
	struct kvm *kvm = m->private;
	const char *name;

	rcu_read_lock();
	name = kvm_plane_policy_name(kvm);
	seq_printf(m, "policy: %s\n", name ?: "none");
	rcu_read_unlock();

	seq_printf(m, "switches: %llu\n", kvm_plane_nr_switches(kvm));

	/* Pairs with smp_store_release() in kvm_plane_policy_eject(). */
	if (smp_load_acquire(&kvm->planes.eject.kind)) {
		seq_printf(m, "eject_kind: %u\n", kvm->planes.eject.kind);
		seq_printf(m, "eject_code: %lld\n", kvm->planes.eject.code);
		seq_printf(m, "eject_message: %s\n", kvm->planes.eject.message);
	} else {
		seq_puts(m, "eject_kind: 0\neject_code: 0\neject_message:\n");
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(kvm_plane_policy);

/**
 * kvm_plane_use - have KVM look for planes
 * @kvm: the VM that is about to have a second one, or memory attributes; no lock is held
 */
void kvm_plane_use(struct kvm *kvm)
{
	guard(mutex)(&kvm_planes_used_lock);
	if (kvm->planes.used)
		return;
	static_branch_inc(&kvm_planes_used.key);
	kvm->planes.used = true;
}

/* The first use of planes in a VM; kvm->lock is held. */
static void kvm_plane_vm_init(struct kvm *kvm)
{
	lockdep_assert_held(&kvm->lock);

	if (kvm->planes.id)
		return;

	kvm->planes.id = atomic64_inc_return(&kvm_plane_vm_ids);
	debugfs_create_file("plane_policy", 0444, kvm->debugfs_dentry, kvm,
			    &kvm_plane_policy_fops);
}

/* What policies know the VM by. */
static int kvm_plane_vm_id(struct kvm *kvm)
{
	guard(mutex)(&kvm->lock);
	kvm_plane_vm_init(kvm);
	return kvm->planes.id;
}

/* See KVM_CAP_PLANE and its like in <linux/kvm_planes.h>; @kvm may be NULL. */
int kvm_plane_check_extension(struct kvm *kvm, long ext)
{
	if (!kvm_arch_has_planes(kvm))
		return 0;

	switch (ext) {
	case KVM_CAP_PLANE:
		return KVM_MAX_PLANES - 1;
	case KVM_CAP_PLANE_FPU:
		return !kvm || kvm->planes.split_fpu;
	case KVM_CAP_PLANE_SWITCH:
		if (!kvm_plane_bpf_usable())
			return 0;
		return kvm ? kvm_plane_vm_id(kvm) : KVM_PLANE_ABI;
	default:
		return 0;
	}
}

static int kvm_plane_enable_exits(struct kvm *kvm, struct kvm_enable_cap *cap)
{
	bool exits = cap->args[0] & KVM_PLANE_EXIT_HYPERCALL;

	if (cap->args[0] & ~(KVM_PLANE_EXIT_HYPERCALL | KVM_PLANE_EXIT_VMGEXIT |
			     KVM_PLANE_DROP_INIT) || cap->args[3])
		return -EINVAL;
	if (exits ? cap->args[1] > cap->args[2] : cap->args[1] || cap->args[2])
		return -EINVAL;

	/* A vCPU that makes a hypercall meanwhile may still see a part of the old range. */
	WRITE_ONCE(kvm->planes.hypercall_exits, false);
	WRITE_ONCE(kvm->planes.hypercall_first, cap->args[1]);
	WRITE_ONCE(kvm->planes.hypercall_last, cap->args[2]);
	WRITE_ONCE(kvm->planes.hypercall_exits, exits);
	WRITE_ONCE(kvm->planes.vmgexit_exits, cap->args[0] & KVM_PLANE_EXIT_VMGEXIT);
	WRITE_ONCE(kvm->planes.drop_init, cap->args[0] & KVM_PLANE_DROP_INIT);
	return 0;
}

static int kvm_plane_enable_fpu(struct kvm *kvm, struct kvm_enable_cap *cap)
{
	if (cap->args[0] > 1 || cap->args[1] || cap->args[2] || cap->args[3])
		return -EINVAL;
	/* The policy was asked whether it agrees to what was chosen then. */
	if (kvm->planes.created || kvm_plane_has_policy(kvm))
		return -EBUSY;

	kvm->planes.split_fpu = cap->args[0];
	return 0;
}

static int kvm_plane_enable_switch(struct kvm *kvm, struct kvm_enable_cap *cap)
{
	if (cap->args[1] || cap->args[2] || cap->args[3])
		return -EINVAL;
	if (!kvm_plane_bpf_usable())
		return -EOPNOTSUPP;
	if (cap->args[0] == ~0ULL)
		return kvm_plane_policy_detach(kvm);
	if (cap->args[0] > INT_MAX)
		return -EBADF;

	return kvm_plane_policy_attach(kvm, cap->args[0]);
}

/* See KVM_CAP_PLANE and its like in <linux/kvm_planes.h>. */
int kvm_plane_enable_cap(struct kvm *kvm, struct kvm_enable_cap *cap)
{
	int r;

	if (cap->flags)
		return -EINVAL;
	if (!kvm_arch_has_planes(kvm))
		return -EOPNOTSUPP;

	mutex_lock(&kvm->lock);
	kvm_plane_vm_init(kvm);
	switch (cap->cap) {
	case KVM_CAP_PLANE:
		r = kvm_plane_enable_exits(kvm, cap);
		break;
	case KVM_CAP_PLANE_FPU:
		r = kvm_plane_enable_fpu(kvm, cap);
		break;
	default:
		r = kvm_plane_enable_switch(kvm, cap);
		break;
	}
	mutex_unlock(&kvm->lock);
	return r;
}

static int kvm_plane_vcpu_release(struct inode *inode, struct file *filp)
{
	struct kvm_vcpu *vcpu = filp->private_data;

	kvm_put_kvm(vcpu->kvm);
	return 0;
}

/* The stock ioctls that get or set one plane's state, while no plane of the vCPU runs. */
static long kvm_plane_vcpu_ioctl(struct file *filp, unsigned int ioctl, unsigned long arg)
{
	struct kvm_vcpu *vcpu = filp->private_data;
	struct kvm_vcpu *vcpu0 = vcpu->plane.vcpu0;
	long r;

	if (vcpu->kvm->mm != current->mm || vcpu->kvm->vm_dead)
		return -EIO;
	if (!kvm_arch_plane_ioctl(vcpu, ioctl))
		return -ENOTTY;

	if (mutex_lock_killable(&vcpu0->mutex))
		return -EINTR;
	r = kvm_vcpu_ioctl(filp, ioctl, arg);
	mutex_unlock(&vcpu0->mutex);
	return r;
}

static struct file_operations kvm_plane_vcpu_fops = {
	.release	= kvm_plane_vcpu_release,
	.unlocked_ioctl	= kvm_plane_vcpu_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.llseek		= noop_llseek,
};

static void kvm_plane_destroy_vcpu(struct kvm_vcpu *vcpu)
{
	kvm_arch_plane_vcpu_predestroy(vcpu);
	vcpu->run = NULL;	/* plane 0's */
	kvm_vcpu_destroy(vcpu);
}

static struct kvm_vcpu *kvm_plane_alloc_vcpu(struct kvm_plane *plane, struct kvm_vcpu *vcpu0)
{
	struct kvm_vcpu *vcpu;
	int r;

	vcpu = kmem_cache_zalloc(kvm_vcpu_cache, GFP_KERNEL_ACCOUNT);
	if (!vcpu)
		return ERR_PTR(-ENOMEM);

	kvm_vcpu_init(vcpu, plane->kvm, vcpu0->vcpu_id);
	lockdep_set_class(&vcpu->mutex, &kvm_plane_vcpu_mutex_key);
	vcpu->vcpu_idx = vcpu0->vcpu_idx;
	vcpu->run = vcpu0->run;
	vcpu->plane.id = plane->id;
	vcpu->plane.vcpu0 = vcpu0;
	vcpu->plane.hyperv = plane->kvm->planes.hyperv[plane->id];

	r = kvm_arch_vcpu_create(vcpu);
	if (r) {
		kmem_cache_free(kvm_vcpu_cache, vcpu);
		return ERR_PTR(r);
	}

	r = kvm_arch_plane_vcpu_create(vcpu);
	if (r) {
		kvm_plane_destroy_vcpu(vcpu);
		return ERR_PTR(r);
	}
	return vcpu;
}

/* Returns an fd for @data, which holds a reference on @kvm, but does not install it. */
static int kvm_plane_get_fd(struct kvm *kvm, const char *name, const struct file_operations *fops,
			    void *data, struct file **file)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);

	if (fd < 0)
		return fd;

	*file = anon_inode_getfile(name, fops, data, O_RDWR);
	if (IS_ERR(*file)) {
		put_unused_fd(fd);
		return PTR_ERR(*file);
	}

	kvm_get_kvm(kvm);
	return fd;
}

static int kvm_plane_add_vcpu(struct kvm_plane *plane, struct kvm_vcpu *vcpu0)
{
	struct kvm_vcpu *vcpu;
	struct file *file;
	char name[32];
	int fd;

	lockdep_assert_held(&vcpu0->plane.cpuid_lock);

	if (vcpu0->plane.sibling[plane->id])
		return -EEXIST;

	vcpu = kvm_plane_alloc_vcpu(plane, vcpu0);
	if (IS_ERR(vcpu))
		return PTR_ERR(vcpu);

	snprintf(name, sizeof(name), "kvm-plane:%d-vcpu:%d", plane->id, vcpu0->vcpu_id);
	fd = kvm_plane_get_fd(plane->kvm, name, &kvm_plane_vcpu_fops, vcpu, &file);
	if (fd < 0) {
		kvm_plane_destroy_vcpu(vcpu);
		return fd;
	}

	/* Pairs with smp_load_acquire() in kvm_vcpu_sibling(). */
	smp_store_release(&vcpu0->plane.sibling[plane->id], vcpu);
	WRITE_ONCE(vcpu0->plane.present, vcpu0->plane.present | BIT(plane->id));
	fd_install(fd, file);
	return fd;
}

/*
 * Whether all loops over the vCPUs of the VM find @vcpu0. Its fd can be used earlier: it is
 * installed while KVM_CREATE_VCPU still holds the lock of the VM.
 */
static bool kvm_plane_vcpu_online(struct kvm_vcpu *vcpu0)
{
	guard(mutex)(&vcpu0->kvm->lock);
	return kvm_get_vcpu(vcpu0->kvm, vcpu0->vcpu_idx) == vcpu0;
}

/* See KVM_CREATE_VCPU_PLANE in <linux/kvm_planes.h>. */
static int kvm_plane_create_vcpu(struct kvm_plane *plane, unsigned long arg)
{
	struct kvm_vcpu *vcpu0;
	int r;

	if (arg > INT_MAX)
		return -EBADF;

	CLASS(fd, f)(arg);
	if (!fd_file(f))
		return -EBADF;
	if (fd_file(f)->f_op != &kvm_vcpu_fops)
		return -EINVAL;

	vcpu0 = fd_file(f)->private_data;
	if (vcpu0->kvm != plane->kvm)
		return -EINVAL;
	if (!kvm_plane_vcpu_online(vcpu0))
		return -EIO;

	if (mutex_lock_killable(&vcpu0->plane.cpuid_lock))
		return -EINTR;
	r = kvm_plane_add_vcpu(plane, vcpu0);
	mutex_unlock(&vcpu0->plane.cpuid_lock);
	return r;
}

/* What of KVM_CHECK_EXTENSION is true of a plane fd by itself. */
static int kvm_plane_fd_check_extension(struct kvm_plane *plane, long ext)
{
	switch (ext) {
	case KVM_CAP_MEMORY_ATTRIBUTES:
		return kvm_plane_mem_supported(plane->kvm, plane->id);
	case KVM_CAP_CHECK_EXTENSION_VM:
	case KVM_CAP_SIGNAL_MSI:
		return 1;
	default:
		return 0;
	}
}

static int kvm_plane_signal_msi(struct kvm_plane *plane, void __user *arg)
{
	struct kvm_msi msi;

	if (copy_from_user(&msi, arg, sizeof(msi)))
		return -EFAULT;
	return kvm_arch_plane_signal_msi(plane->kvm, plane->id, &msi);
}

static int kvm_plane_set_attributes(struct kvm_plane *plane, void __user *arg)
{
	struct kvm_memory_attributes attrs;

	if (copy_from_user(&attrs, arg, sizeof(attrs)))
		return -EFAULT;
	return kvm_plane_set_mem_attributes(plane->kvm, plane->id, &attrs);
}

static int kvm_plane_release(struct inode *inode, struct file *filp)
{
	struct kvm_plane *plane = filp->private_data;

	kvm_put_kvm(plane->kvm);
	return 0;
}

static long kvm_plane_ioctl(struct file *filp, unsigned int ioctl, unsigned long arg)
{
	struct kvm_plane *plane = filp->private_data;

	if (plane->kvm->mm != current->mm || plane->kvm->vm_dead)
		return -EIO;

	switch (ioctl) {
	case KVM_CHECK_EXTENSION:
		return kvm_plane_fd_check_extension(plane, arg);
	case KVM_SIGNAL_MSI:
		return kvm_plane_signal_msi(plane, (void __user *)arg);
	case KVM_SET_MEMORY_ATTRIBUTES:
		return kvm_plane_set_attributes(plane, (void __user *)arg);
	case KVM_CREATE_VCPU_PLANE:
		return kvm_plane_create_vcpu(plane, arg);
	default:
		return -ENOTTY;
	}
}

static struct file_operations kvm_plane_fops = {
	.release	= kvm_plane_release,
	.unlocked_ioctl	= kvm_plane_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.llseek		= noop_llseek,
};

static int kvm_plane_add(struct kvm *kvm, u8 id)
{
	struct kvm_plane *plane;
	struct file *file;
	char name[16];
	int fd, r;

	lockdep_assert_held(&kvm->lock);

	/* Whether it can have planes may have changed since that was asked without the lock. */
	if (!kvm_arch_has_planes(kvm))
		return -EINVAL;
	if (kvm->planes.plane[id])
		return -EEXIST;
	r = kvm_arch_plane_add(kvm, id);
	if (r)
		return r;

	plane = kzalloc(sizeof(*plane), GFP_KERNEL_ACCOUNT);
	if (!plane)
		return -ENOMEM;
	plane->kvm = kvm;
	plane->id = id;

	snprintf(name, sizeof(name), "kvm-plane:%d", id);
	fd = kvm_plane_get_fd(kvm, name, &kvm_plane_fops, plane, &file);
	if (fd < 0) {
		kfree(plane);
		return fd;
	}

	if (!kvm->planes.created) {
		kvm_plane_vm_init(kvm);
		kvm_arch_plane_create(kvm);
	}
	kvm->planes.plane[id] = plane;
	WRITE_ONCE(kvm->planes.created, true);
	kvm_arch_plane_stop_pmu(kvm);
	fd_install(fd, file);
	return fd;
}

/* See KVM_CREATE_PLANE in <linux/kvm_planes.h>. */
int kvm_plane_create(struct kvm *kvm, unsigned long id)
{
	int r;

	if (id > kvm_plane_check_extension(kvm, KVM_CAP_PLANE))
		return -EINVAL;
	if (!id)
		return -EEXIST;

	kvm_plane_use(kvm);
	mutex_lock(&kvm->lock);
	r = kvm_plane_add(kvm, array_index_nospec(id, KVM_MAX_PLANES));
	mutex_unlock(&kvm->lock);
	return r;
}

/*
 * From here on nobody finds a sibling in kvm_plane_vcpu.running but plane 0's vCPU, which goes
 * last. Whoever found another one before has finished with it.
 */
static void kvm_plane_forget_running(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu0;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu0, kvm)
		WRITE_ONCE(vcpu0->plane.running, vcpu0);
	/* Pairs with the RCU read section of __kvm_plane_kick(). */
	synchronize_rcu_expedited();
}

/* The last reference to the VM is gone, plane 0's vCPUs are still there. */
void kvm_plane_vm_destroy(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu0, *vcpu;
	unsigned int id;
	unsigned long i;

	kvm_plane_policy_detach(kvm);
	if (kvm->planes.created)
		kvm_plane_forget_running(kvm);
	kvm_for_each_vcpu(i, vcpu0, kvm)
		if (vcpu0->plane.ejected)
			kvm_plane_policy_ejected(vcpu0);

	for (id = 1; id < KVM_MAX_PLANES; id++) {
		kvm_for_each_vcpu(i, vcpu0, kvm) {
			vcpu = vcpu0->plane.sibling[id];
			vcpu0->plane.sibling[id] = NULL;
			if (vcpu)
				kvm_plane_destroy_vcpu(vcpu);
		}
		kfree(kvm->planes.plane[id]);
		kfree(kvm->planes.hyperv[id]);
	}
	kvm_plane_mem_destroy(kvm);
	if (kvm->planes.used)
		static_branch_slow_dec_deferred(&kvm_planes_used);
}

/* What binary statistics are of, in the order of kvm_vcpu_stats_desc */
struct kvm_plane_vcpu_stats {
	struct kvm_vcpu_stat stat;
	struct kvm_plane_stat plane;
};

/* Where the statistic of a vCPU is whose kvm_stats_desc has @offset */
static u64 *kvm_plane_stat_at(struct kvm_vcpu *vcpu, size_t offset)
{
	BUILD_BUG_ON(offsetof(struct kvm_plane_vcpu_stats, plane) != sizeof(vcpu->stat));

	if (offset < sizeof(vcpu->stat))
		return (void *)&vcpu->stat + offset;
	return (void *)&vcpu->plane.stat + offset - sizeof(vcpu->stat);
}

/**
 * kvm_plane_add_stat - add up a statistic of vCPUs
 * @vcpu: the vCPU, of one plane
 * @offset: as in kvm_vcpu_stats_desc
 * @sum: what to add it to
 */
void kvm_plane_add_stat(struct kvm_vcpu *vcpu, size_t offset, u64 *sum)
{
	*sum += *kvm_plane_stat_at(vcpu, offset);
}

/**
 * kvm_plane_clear_stat - set a statistic of a vCPU to 0
 * @vcpu: the vCPU, of one plane
 * @offset: as in kvm_vcpu_stats_desc
 */
void kvm_plane_clear_stat(struct kvm_vcpu *vcpu, size_t offset)
{
	*kvm_plane_stat_at(vcpu, offset) = 0;
}

static void kvm_plane_add_stats(void *to, struct kvm_vcpu *from)
{
	const struct kvm_stats_desc *desc = kvm_vcpu_stats_desc;
	unsigned int i, k;

	for (i = 0; i < kvm_vcpu_stats_header.num_desc; i++, desc++) {
		if ((desc->flags & KVM_STATS_TYPE_MASK) == KVM_STATS_TYPE_INSTANT)
			continue;
		for (k = 0; k < desc->size; k++)
			*((u64 *)(to + desc->offset) + k) +=
				kvm_plane_stat_at(from, desc->offset)[k];
	}
}

/**
 * kvm_plane_stats_read - read the statistics of a vCPU and its planes
 * @vcpu: plane 0's vCPU
 * @buf: as for kvm_stats_read(), and so are the others
 * @size: ditto
 * @offset: ditto
 *
 * Counts are of all planes; what is true or not at an instant is of the plane
 * that ran last.
 *
 * Return: as kvm_stats_read(), or -ENOMEM.
 */
ssize_t kvm_plane_stats_read(struct kvm_vcpu *vcpu, char __user *buf, size_t size, loff_t *offset)
{
	struct kvm_vcpu *running = READ_ONCE(vcpu->plane.running), *sibling;
	struct kvm_plane_vcpu_stats *sum;
	unsigned int id;
	ssize_t r;

	sum = kmalloc(sizeof(*sum), GFP_KERNEL);
	if (!sum)
		return -ENOMEM;

	sum->stat = running->stat;
	sum->plane = running->plane.stat;
	kvm_for_each_sibling(id, sibling, running)
		kvm_plane_add_stats(sum, sibling);
	r = kvm_stats_read(vcpu->stats_id, &kvm_vcpu_stats_header, kvm_vcpu_stats_desc, sum,
			   sizeof(*sum), buf, size, offset);
	kfree(sum);
	return r;
}

/* A vendor module is loaded: like VMs and vCPUs, planes keep it from going. */
void kvm_plane_init(struct module *module)
{
	kvm_plane_fops.owner = module;
	kvm_plane_vcpu_fops.owner = module;
}

/* No VM is left, and the vendor module goes. */
void kvm_plane_exit(void)
{
	static_key_deferred_flush(&kvm_planes_used);
}
