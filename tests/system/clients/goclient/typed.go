package main

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/watch"
	appsapply "k8s.io/client-go/applyconfigurations/apps/v1"
	coreapply "k8s.io/client-go/applyconfigurations/core/v1"
	metaapply "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
)

const (
	jsonType     = "application/json"
	protobufType = "application/vnd.kubernetes.protobuf"
	cborType     = "application/cbor"
)

func typedJSON(ctx context.Context, config *rest.Config, namespace string) error {
	config.ContentType, config.AcceptContentTypes = jsonType, jsonType
	return typed(ctx, config, namespace, "json")
}

func typedProtobuf(ctx context.Context, config *rest.Config, namespace string) error {
	config.ContentType, config.AcceptContentTypes = protobufType, protobufType
	return typed(ctx, config, namespace, "protobuf")
}

func typedCBOR(ctx context.Context, config *rest.Config, namespace string) error {
	config.AcceptContentTypes = cborType + ", " + jsonType
	return typed(ctx, config, namespace, "cbor")
}

func container() corev1.Container {
	return corev1.Container{
		Name:  "web",
		Image: "nginx:1.27",
		Ports: []corev1.ContainerPort{{ContainerPort: 80}},
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("0.5"), corev1.ResourceMemory: resource.MustParse("64Mi")},
		},
		LivenessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
			HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: intstr.FromInt32(80)},
		}},
	}
}

func deployment(name string, replicas int32) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{container()}},
			},
		},
	}
}

// typed walks an object of each of several groups through its life.
func typed(ctx context.Context, config *rest.Config, namespace, mark string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	secrets := client.CoreV1().Secrets(namespace)
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "typed-" + mark},
		StringData: map[string]string{"word": "open"},
		Data:       map[string][]byte{"bytes": {0, 1, 254, 255}},
	}
	made, err := secrets.Create(ctx, secret, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if err := differs("string data", "open", string(made.Data["word"])); err != nil {
		return err
	}
	if err := differs("bytes", "\x00\x01\xfe\xff", string(made.Data["bytes"])); err != nil {
		return err
	}
	if _, err = secrets.Create(ctx, secret, metav1.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("a second create: %w", err)
	}
	deployments := client.AppsV1().Deployments(namespace)
	rolled, err := deployments.Create(ctx, deployment("typed-"+mark, 0), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if err := differs("strategy", appsv1.RollingUpdateDeploymentStrategyType, rolled.Spec.Strategy.Type); err != nil {
		return err
	}
	if err := differs("surge", "25%", rolled.Spec.Strategy.RollingUpdate.MaxSurge.String()); err != nil {
		return err
	}
	if err := differs("cpu", "500m", rolled.Spec.Template.Spec.Containers[0].Resources.Requests.Cpu().String()); err != nil {
		return err
	}
	if err := differs("probe", int32(10), rolled.Spec.Template.Spec.Containers[0].LivenessProbe.PeriodSeconds); err != nil {
		return err
	}
	for kind, patch := range map[types.PatchType]string{
		types.JSONPatchType:           `[{"op":"add","path":"/metadata/labels/json","value":"yes"}]`,
		types.MergePatchType:          `{"metadata":{"labels":{"merge":"yes"}}}`,
		types.StrategicMergePatchType: `{"spec":{"template":{"spec":{"containers":[{"name":"web","env":[{"name":"A","value":"b"}]}]}}}}`,
	} {
		if rolled, err = deployments.Patch(ctx, rolled.Name, kind, []byte(patch), metav1.PatchOptions{}); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	if err := differs("labels", 3, len(rolled.Labels)); err != nil {
		return err
	}
	if err := differs("image after a strategic merge", "nginx:1.27", rolled.Spec.Template.Spec.Containers[0].Image); err != nil {
		return err
	}
	listed, err := deployments.List(ctx, metav1.ListOptions{LabelSelector: "app=typed-" + mark, FieldSelector: "metadata.name=typed-" + mark})
	if err != nil {
		return err
	}
	if err := differs("found by both selectors", 1, len(listed.Items)); err != nil {
		return err
	}
	invalid := deployment("Not A Name", 1)
	invalid.Spec.Selector = nil
	_, err = deployments.Create(ctx, invalid, metav1.CreateOptions{})
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) {
		return fmt.Errorf("what is invalid: %w", err)
	}
	if len(status.Status().Details.Causes) < 2 {
		return fmt.Errorf("causes: %v", status.Status().Details.Causes)
	}
	if _, err = deployments.Get(ctx, "absent", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		return fmt.Errorf("what is not there: %w", err)
	}
	uid := types.UID("00000000-0000-0000-0000-000000000000")
	wrong := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}}
	if err = deployments.Delete(ctx, rolled.Name, wrong); !apierrors.IsConflict(err) {
		return fmt.Errorf("delete of another uid: %w", err)
	}
	return deployments.Delete(ctx, rolled.Name, metav1.DeleteOptions{})
}

func watchProtobuf(ctx context.Context, config *rest.Config, namespace string) error {
	config.ContentType, config.AcceptContentTypes = protobufType, protobufType
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	maps := client.CoreV1().ConfigMaps(namespace)
	before, err := maps.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	watched, err := maps.Watch(ctx, metav1.ListOptions{ResourceVersion: before.ResourceVersion, LabelSelector: "watched=yes", AllowWatchBookmarks: true})
	if err != nil {
		return err
	}
	defer watched.Stop()
	made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "watched", Labels: map[string]string{"watched": "yes"}}}
	if made, err = maps.Create(ctx, made, metav1.CreateOptions{}); err != nil {
		return err
	}
	made.Data = map[string]string{"a": "b"}
	if made, err = maps.Update(ctx, made, metav1.UpdateOptions{}); err != nil {
		return err
	}
	made.Labels = nil // leaves the selection: a delete to this watch
	if _, err = maps.Update(ctx, made, metav1.UpdateOptions{}); err != nil {
		return err
	}
	for _, expected := range []watch.EventType{watch.Added, watch.Modified, watch.Deleted} {
		event := <-watched.ResultChan()
		if err := differs("event", expected, event.Type); err != nil {
			return fmt.Errorf("%w: %v", err, event.Object)
		}
		if err := differs("name", "watched", event.Object.(*corev1.ConfigMap).Name); err != nil {
			return err
		}
	}
	old, err := maps.Watch(ctx, metav1.ListOptions{ResourceVersion: "1"})
	if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		return nil
	}
	if err == nil {
		old.Stop() // a server that has seen little still knows its first version
	}
	return err
}

func typedApply(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	deployments := client.AppsV1().Deployments(namespace)
	labels := map[string]string{"app": "applied"}
	wanted := func(image string) *appsapply.DeploymentApplyConfiguration {
		return appsapply.Deployment("applied", namespace).WithSpec(appsapply.DeploymentSpec().
			WithReplicas(0).
			WithSelector(metaapply.LabelSelector().WithMatchLabels(labels)).
			WithTemplate(coreapply.PodTemplateSpec().WithLabels(labels).WithSpec(coreapply.PodSpec().WithContainers(
				coreapply.Container().WithName("web").WithImage(image)))))
	}
	if _, err = deployments.Apply(ctx, wanted("nginx:1"), metav1.ApplyOptions{FieldManager: "one"}); err != nil {
		return err
	}
	_, err = deployments.Apply(ctx, wanted("nginx:2"), metav1.ApplyOptions{FieldManager: "two"})
	if !apierrors.IsConflict(err) {
		return fmt.Errorf("apply against another: %w", err)
	}
	forced, err := deployments.Apply(ctx, wanted("nginx:2"), metav1.ApplyOptions{FieldManager: "two", Force: true})
	if err != nil {
		return err
	}
	if err := differs("image", "nginx:2", forced.Spec.Template.Spec.Containers[0].Image); err != nil {
		return err
	}
	extracted, err := appsapply.ExtractDeployment(forced, "two")
	if err != nil {
		return err
	}
	if err := differs("extracted image", "nginx:2", *extracted.Spec.Template.Spec.Containers[0].Image); err != nil {
		return err
	}
	status := appsapply.Deployment("applied", namespace).WithStatus(appsapply.DeploymentStatus().WithConditions(
		appsapply.DeploymentCondition().WithType("Checked").WithStatus(corev1.ConditionTrue)))
	_, err = deployments.ApplyStatus(ctx, status, metav1.ApplyOptions{FieldManager: "judge"})
	return err
}

func updateConflict(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	maps := client.CoreV1().ConfigMaps(namespace)
	stale, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "stale-"}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	newer := stale.DeepCopy()
	newer.Data = map[string]string{"a": "b"}
	if _, err = maps.Update(ctx, newer, metav1.UpdateOptions{}); err != nil {
		return err
	}
	tries := 0
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		tries++
		stale.Data = map[string]string{"c": "d"}
		_, err := maps.Update(ctx, stale, metav1.UpdateOptions{})
		if apierrors.IsConflict(err) {
			if fresh, failed := maps.Get(ctx, stale.Name, metav1.GetOptions{}); failed == nil {
				stale = fresh
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	return differs("tries", 2, tries)
}

func pages(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	maps := client.CoreV1().ConfigMaps(namespace)
	for number := range 7 {
		object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("page-%d", number), Labels: map[string]string{"page": "yes"}}}
		if _, err := maps.Create(ctx, object, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	seen, asked, token := 0, 0, ""
	for {
		page, err := maps.List(ctx, metav1.ListOptions{LabelSelector: "page", Limit: 3, Continue: token})
		if err != nil {
			return err
		}
		seen, asked, token = seen+len(page.Items), asked+1, page.Continue
		if token == "" {
			break
		}
	}
	if err := differs("pages", 3, asked); err != nil {
		return err
	}
	return differs("objects", 7, seen)
}

func subresources(ctx context.Context, config *rest.Config, namespace string) error {
	config.ContentType, config.AcceptContentTypes = protobufType, protobufType
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	deployments := client.AppsV1().Deployments(namespace)
	if _, err = deployments.Create(ctx, deployment("scaled", 0), metav1.CreateOptions{}); err != nil {
		return err
	}
	scale, err := deployments.GetScale(ctx, "scaled", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if err := differs("selector", "app=scaled", scale.Status.Selector); err != nil {
		return err
	}
	scale.Spec.Replicas = 1
	scaled := &autoscalingv1.Scale{ObjectMeta: scale.ObjectMeta, Spec: scale.Spec}
	if scale, err = deployments.UpdateScale(ctx, "scaled", scaled, metav1.UpdateOptions{}); err != nil {
		return err
	}
	if err := differs("replicas", int32(1), scale.Spec.Replicas); err != nil {
		return err
	}
	pods := client.CoreV1().Pods(namespace)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "evicted"}, Spec: corev1.PodSpec{Containers: []corev1.Container{container()}}}
	if pod, err = pods.Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		return err
	}
	if err := differs("class", corev1.PodQOSBurstable, pod.Status.QOSClass); err != nil {
		return err
	}
	ephemeral := pod.DeepCopy()
	ephemeral.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debug", Image: "busybox"}}}
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		fresh, err := pods.Get(ctx, pod.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		fresh.Spec.EphemeralContainers = ephemeral.Spec.EphemeralContainers
		_, err = pods.UpdateEphemeralContainers(ctx, pod.Name, fresh, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("ephemeral containers: %w", err)
	}
	return pods.EvictV1(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: namespace}})
}

func deleteCollection(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	maps := client.CoreV1().ConfigMaps(namespace)
	if err := maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "page"}); err != nil {
		return err
	}
	left, err := maps.List(ctx, metav1.ListOptions{LabelSelector: "page"})
	if err != nil {
		return err
	}
	return differs("left", 0, len(left.Items))
}
