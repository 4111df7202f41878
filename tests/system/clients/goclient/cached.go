package main

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	clientfeatures "k8s.io/client-go/features"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

type settable interface {
	Set(key clientfeatures.Feature, value bool) error
}

func informersWatchList(ctx context.Context, config *rest.Config, namespace string) error {
	config.ContentType = protobufType
	return informed(ctx, config, namespace, true)
}

func informersList(ctx context.Context, config *rest.Config, namespace string) error {
	return informed(ctx, config, namespace, false)
}

// informed starts informers of several kinds and lets them follow an object's life.
func informed(ctx context.Context, config *rest.Config, namespace string, watchList bool) error {
	if gates, ok := clientfeatures.FeatureGates().(settable); ok {
		if err := gates.Set(clientfeatures.WatchListClient, watchList); err != nil {
			return err
		}
	}
	if err := differs("streamed lists", watchList, clientfeatures.FeatureGates().Enabled(clientfeatures.WatchListClient)); err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace))
	seen := make(chan string, 1000)
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(made any) { seen <- "add " + made.(*corev1.ConfigMap).Name },
		UpdateFunc: func(_, made any) { seen <- "update " + made.(*corev1.ConfigMap).Name },
		DeleteFunc: func(gone any) { seen <- "delete " + gone.(*corev1.ConfigMap).Name },
	}
	maps := factory.Core().V1().ConfigMaps()
	if _, err := maps.Informer().AddEventHandler(handler); err != nil {
		return err
	}
	factory.Core().V1().Pods().Informer()
	factory.Core().V1().Services().Informer()
	factory.Apps().V1().Deployments().Informer()
	factory.Coordination().V1().Leases().Informer()
	factory.Start(ctx.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("%v never synced", kind)
		}
	}
	loose, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	all := dynamicinformer.NewFilteredDynamicSharedInformerFactory(loose, 0, namespace, nil)
	all.ForResource(configMaps)
	all.Start(ctx.Done())
	for kind, synced := range all.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("%v never synced", kind)
		}
	}
	name := fmt.Sprintf("informed-%t", watchList)
	objects := client.CoreV1().ConfigMaps(namespace)
	made, err := objects.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	made.Data = map[string]string{"a": "b"}
	if _, err := objects.Update(ctx, made, metav1.UpdateOptions{}); err != nil {
		return err
	}
	if err := await(ctx, seen, "update "+name); err != nil {
		return err
	}
	cached, err := maps.Lister().ConfigMaps(namespace).Get(name)
	if err != nil {
		return err
	}
	if err := differs("cached", "b", cached.Data["a"]); err != nil {
		return err
	}
	if everything, err := maps.Lister().List(labels.Everything()); err != nil || len(everything) == 0 {
		return fmt.Errorf("lister: %v, %w", everything, err)
	}
	if err := objects.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		return err
	}
	return await(ctx, seen, "delete "+name)
}

func await(ctx context.Context, seen <-chan string, expected string) error {
	for {
		select {
		case word := <-seen:
			if word == expected {
				return nil
			}
		case <-ctx.Done():
			return fmt.Errorf("%q never came", expected)
		}
	}
}

func leaderElection(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	first, resign := context.WithCancel(ctx)
	defer resign()
	second, stop := context.WithCancel(ctx)
	defer stop()
	led := make(chan string, 10)
	run := func(ctx context.Context, name string) {
		lock := &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Name: "leader", Namespace: namespace},
			Client:     client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: name},
		}
		leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
			Lock: lock, LeaseDuration: 2 * time.Second, RenewDeadline: time.Second, RetryPeriod: 100 * time.Millisecond, ReleaseOnCancel: true,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(context.Context) { led <- name },
				OnStoppedLeading: func() {},
			},
		})
	}
	go run(first, "one")
	if err := differs("leader", "one", <-led); err != nil {
		return err
	}
	go run(second, "two")
	resign()
	select {
	case name := <-led:
		if err := differs("next leader", "two", name); err != nil {
			return err
		}
	case <-ctx.Done():
		return fmt.Errorf("nobody led after the first had gone")
	}
	var lease *coordinationv1.Lease
	if lease, err = client.CoordinationV1().Leases(namespace).Get(ctx, "leader", metav1.GetOptions{}); err != nil {
		return err
	}
	return differs("holder", "two", *lease.Spec.HolderIdentity)
}
