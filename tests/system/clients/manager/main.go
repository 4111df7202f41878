// Command manager is a controller by controller-runtime, and says of each thing that it relies on "name ok" or what went wrong.
// Run by tests/system/test_controller_runtime.py; KUBECONFIG names the cluster, the only argument a namespace that exists.
package main

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const finalizer = "example.com/manager"

// keeper keeps a Deployment beside each ConfigMap that is labelled so, and counts what it saw of Secrets' metadata.
type keeper struct {
	client.Client
	secrets atomic.Int32
	gone    atomic.Int32
}

func (k *keeper) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var found corev1.ConfigMap
	if err := k.Get(ctx, request.NamespacedName, &found); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !found.DeletionTimestamp.IsZero() {
		k.gone.Add(1)
		if controllerutil.RemoveFinalizer(&found, finalizer) {
			return ctrl.Result{}, k.Update(ctx, &found)
		}
		return ctrl.Result{}, nil
	}
	if controllerutil.AddFinalizer(&found, finalizer) {
		return ctrl.Result{}, k.Update(ctx, &found)
	}
	kept := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: found.Name, Namespace: found.Namespace}}
	_, err := controllerutil.CreateOrUpdate(ctx, k.Client, kept, func() error {
		kept.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"kept": found.Name}}
		kept.Spec.Template.Labels = map[string]string{"kept": found.Name}
		kept.Spec.Template.Spec.Containers = []corev1.Container{{Name: "main", Image: found.Data["image"]}}
		return controllerutil.SetControllerReference(&found, kept, k.Scheme())
	})
	return ctrl.Result{}, err
}

func (k *keeper) setUp(mgr ctrl.Manager) error {
	labelled, err := predicate.LabelSelectorPredicate(metav1.LabelSelector{MatchLabels: map[string]string{"keep": "yes"}})
	if err != nil {
		return err
	}
	counted := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		k.secrets.Add(1)
		return nil
	})
	return ctrl.NewControllerManagedBy(mgr).
		For(&corev1.ConfigMap{}, builder.WithPredicates(labelled)).
		Owns(&appsv1.Deployment{}).
		WatchesMetadata(&corev1.Secret{}, counted).
		Complete(k)
}

func main() {
	ctrl.SetLogger(zap.New(zap.WriteTo(os.Stderr)))
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	must(err)
	config.QPS = -1
	space := os.Args[1]
	ctx, cancel := context.WithCancel(log.IntoContext(context.Background(), ctrl.Log))
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Metrics:                       server.Options{BindAddress: "0"},
		HealthProbeBindAddress:        "0",
		LeaderElection:                true,
		LeaderElectionID:              "manager.example.com",
		LeaderElectionNamespace:       space,
		LeaderElectionReleaseOnCancel: true,
		Cache: cache.Options{
			DefaultNamespaces: map[string]cache.Config{space: {}},
			ByObject: map[client.Object]cache.ByObject{
				&corev1.Service{}: {Label: labels.SelectorFromSet(labels.Set{"keep": "yes"})},
			},
		},
	})
	must(err)
	k := &keeper{Client: mgr.GetClient()}
	must(k.setUp(mgr))
	must(mgr.GetFieldIndexer().IndexField(ctx, &corev1.ConfigMap{}, "image", func(o client.Object) []string {
		return []string{o.(*corev1.ConfigMap).Data["image"]}
	}))
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()

	failed := false
	say := func(name string, err error) {
		if err != nil {
			failed = true
			fmt.Printf("%s: %v\n", name, err)
		} else {
			fmt.Printf("%s ok\n", name)
		}
	}
	for _, each := range checks {
		within, done := context.WithTimeout(ctx, 30*time.Second)
		say(each.name, each.run(within, mgr, k, space))
		done()
	}
	cancel()
	select {
	case err := <-ended:
		say("manager ends when told to", err)
	case <-time.After(20 * time.Second):
		say("manager ends when told to", fmt.Errorf("it did not in 20 s"))
	}
	if failed {
		os.Exit(1)
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

// A check is one thing that people build on controller-runtime.
type check struct {
	name string
	run  func(context.Context, ctrl.Manager, *keeper, string) error
}

var checks = []check{
	{"leader election", elected},
	{"caches sync", synced},
	{"reconcile creates what is owned", creates},
	{"reconcile follows changes", follows},
	{"reconcile repairs what is owned", repairs},
	{"watch of metadata alone", metadataOnly},
	{"index of the cache", indexed},
	{"cache by labels", byLabels},
	{"server-side apply", applies},
	{"optimistic lock of patches", locks},
	{"unstructured objects", unstructuredObjects},
	{"finalizer holds and lets go", finalizes},
}

func until(ctx context.Context, done func() (bool, error)) error {
	return wait.PollUntilContextCancel(ctx, 20*time.Millisecond, true, func(context.Context) (bool, error) { return done() })
}

func elected(ctx context.Context, mgr ctrl.Manager, _ *keeper, _ string) error {
	select {
	case <-mgr.Elected():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func synced(ctx context.Context, mgr ctrl.Manager, _ *keeper, _ string) error {
	if !mgr.GetCache().WaitForCacheSync(ctx) {
		return fmt.Errorf("not in time")
	}
	return nil
}

func wish(space string) *corev1.ConfigMap {
	meta := metav1.ObjectMeta{Name: "wish", Namespace: space, Labels: map[string]string{"keep": "yes"}}
	return &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"image": "nginx:1"}}
}

func image(ctx context.Context, k *keeper, space, wanted string) error {
	return until(ctx, func() (bool, error) {
		var kept appsv1.Deployment
		err := k.Get(ctx, client.ObjectKey{Namespace: space, Name: "wish"}, &kept)
		return err == nil && kept.Spec.Template.Spec.Containers[0].Image == wanted, client.IgnoreNotFound(err)
	})
}

func creates(ctx context.Context, _ ctrl.Manager, k *keeper, space string) error {
	if err := k.Create(ctx, wish(space)); err != nil {
		return err
	}
	return image(ctx, k, space, "nginx:1")
}

func follows(ctx context.Context, _ ctrl.Manager, k *keeper, space string) error {
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"data":{"image":"nginx:2"}}`))
	if err := k.Patch(ctx, wish(space), patch); err != nil {
		return err
	}
	return image(ctx, k, space, "nginx:2")
}

func repairs(ctx context.Context, _ ctrl.Manager, k *keeper, space string) error {
	if err := k.DeleteAllOf(ctx, &appsv1.Deployment{}, client.InNamespace(space)); err != nil {
		return err
	}
	return image(ctx, k, space, "nginx:2")
}

func metadataOnly(ctx context.Context, _ ctrl.Manager, k *keeper, space string) error {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "seen", Namespace: space}, StringData: map[string]string{"a": "b"}}
	if err := k.Create(ctx, secret); err != nil {
		return err
	}
	listed := &metav1.PartialObjectMetadataList{}
	listed.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	return until(ctx, func() (bool, error) {
		err := k.List(ctx, listed, client.InNamespace(space))
		return k.secrets.Load() > 0 && len(listed.Items) == 1, err
	})
}

func indexed(ctx context.Context, _ ctrl.Manager, k *keeper, space string) error {
	return until(ctx, func() (bool, error) {
		var found corev1.ConfigMapList
		err := k.List(ctx, &found, client.InNamespace(space), client.MatchingFields{"image": "nginx:2"})
		return len(found.Items) == 1, err
	})
}

func byLabels(ctx context.Context, mgr ctrl.Manager, k *keeper, space string) error {
	for _, name := range []string{"in", "out"} {
		made := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: space}}
		made.Spec.Ports = []corev1.ServicePort{{Port: 80}}
		if name == "in" {
			made.Labels = map[string]string{"keep": "yes"}
		}
		if err := k.Create(ctx, made); err != nil {
			return err
		}
	}
	return until(ctx, func() (bool, error) {
		var found corev1.ServiceList
		err := mgr.GetCache().List(ctx, &found)
		return len(found.Items) == 1 && found.Items[0].Name == "in", err
	})
}

func applies(ctx context.Context, _ ctrl.Manager, k *keeper, space string) error {
	wanted := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": "applied", "namespace": space}, "data": map[string]any{"a": "b"},
	}}
	if err := k.Apply(ctx, client.ApplyConfigurationFromUnstructured(wanted), client.FieldOwner("one")); err != nil {
		return err
	}
	other := wanted.DeepCopy()
	other.SetManagedFields(nil)
	other.SetResourceVersion("")
	other.SetUID("")
	other.Object["data"] = map[string]any{"a": "c"}
	err := k.Apply(ctx, client.ApplyConfigurationFromUnstructured(other), client.FieldOwner("two"))
	if !apierrors.IsConflict(err) {
		return fmt.Errorf("another owner is told %v", err)
	}
	return k.Apply(ctx, client.ApplyConfigurationFromUnstructured(other), client.FieldOwner("two"), client.ForceOwnership)
}

func locks(ctx context.Context, mgr ctrl.Manager, k *keeper, space string) error {
	var found corev1.ConfigMap
	if err := mgr.GetAPIReader().Get(ctx, client.ObjectKey{Namespace: space, Name: "applied"}, &found); err != nil {
		return err
	}
	stale := found.DeepCopy()
	found.Data["x"] = "y"
	if err := k.Update(ctx, &found); err != nil {
		return err
	}
	before := stale.DeepCopy()
	stale.Data["x"] = "z"
	err := k.Patch(ctx, stale, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if !apierrors.IsConflict(err) {
		return fmt.Errorf("a stale patch is told %v", err)
	}
	return nil
}

func unstructuredObjects(ctx context.Context, mgr ctrl.Manager, _ *keeper, space string) error {
	found := &unstructured.Unstructured{}
	found.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("Deployment"))
	return mgr.GetAPIReader().Get(ctx, client.ObjectKey{Namespace: space, Name: "wish"}, found)
}

func finalizes(ctx context.Context, mgr ctrl.Manager, k *keeper, space string) error {
	if err := k.Delete(ctx, wish(space)); err != nil {
		return err
	}
	return until(ctx, func() (bool, error) {
		err := mgr.GetAPIReader().Get(ctx, client.ObjectKey{Namespace: space, Name: "wish"}, &corev1.ConfigMap{})
		return apierrors.IsNotFound(err) && k.gone.Load() > 0, client.IgnoreNotFound(err)
	})
}
