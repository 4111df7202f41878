package main

import (
	"context"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	recording "k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/record"
)

type fields = map[string]any

func dynamicClient(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	maps := client.Resource(configMaps).Namespace(namespace)
	object := &unstructured.Unstructured{Object: fields{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": fields{"name": "loose"}, "data": fields{"a": "b"},
	}}
	if _, err = maps.Apply(ctx, "loose", object, metav1.ApplyOptions{FieldManager: "loose"}); err != nil {
		return err
	}
	found, err := maps.Get(ctx, "loose", metav1.GetOptions{})
	if err != nil {
		return err
	}
	managed := found.GetManagedFields()
	if err := differs("managers", 1, len(managed)); err != nil {
		return err
	}
	if err := differs("manager", "loose Apply", managed[0].Manager+" "+string(managed[0].Operation)); err != nil {
		return err
	}
	strange := object.DeepCopy()
	strange.SetName("strange")
	strange.Object["colour"] = "blue"
	_, err = maps.Create(ctx, strange, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
	if !apierrors.IsBadRequest(err) {
		return fmt.Errorf("unknown field: %w", err)
	}
	return maps.Delete(ctx, "loose", metav1.DeleteOptions{})
}

func metadataClient(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	accounts := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace(namespace)
	listed, err := accounts.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	if len(listed.Items) == 0 {
		return fmt.Errorf("nothing listed")
	}
	one, err := accounts.Get(ctx, listed.Items[0].Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	return differs("uid", listed.Items[0].UID, one.UID)
}

var definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

func customResources(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	group := namespace + ".example.com" // of this run alone: a definition may be long in going
	lamps := schema.GroupVersionResource{Group: group, Version: "v1", Resource: "lamps"}
	definition := &unstructured.Unstructured{Object: fields{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": fields{"name": "lamps." + group},
		"spec": fields{
			"group": group, "scope": "Namespaced", "names": fields{"kind": "Lamp", "plural": "lamps"},
			"versions": []any{fields{
				"name": "v1", "served": true, "storage": true, "subresources": fields{"status": fields{}},
				"schema": fields{"openAPIV3Schema": fields{"type": "object", "properties": fields{
					"spec": fields{"type": "object", "properties": fields{"watts": fields{"type": "integer", "default": int64(40), "maximum": int64(100)}},
						"default": fields{}},
					"status": fields{"type": "object", "properties": fields{"on": fields{"type": "boolean"}}},
				}}},
			}},
		},
	}}
	if _, err = client.Resource(definitions).Create(ctx, definition, metav1.CreateOptions{}); err != nil {
		return err
	}
	err = wait.PollUntilContextCancel(ctx, 20*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		found, err := client.Resource(definitions).Get(ctx, definition.GetName(), metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		conditions, _, _ := unstructured.NestedSlice(found.Object, "status", "conditions") // null at first
		for _, condition := range conditions {
			if c := condition.(fields); c["type"] == "Established" && c["status"] == "True" {
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return err
	}
	objects := client.Resource(lamps).Namespace(namespace)
	lamp := &unstructured.Unstructured{Object: fields{"apiVersion": group + "/v1", "kind": "Lamp", "metadata": fields{"name": "desk"}}}
	made, err := objects.Create(ctx, lamp, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	watts, _, err := unstructured.NestedInt64(made.Object, "spec", "watts")
	if err != nil {
		return err
	}
	if err := differs("default", int64(40), watts); err != nil {
		return err
	}
	made.Object["status"] = fields{"on": true}
	if made, err = objects.UpdateStatus(ctx, made, metav1.UpdateOptions{}); err != nil {
		return err
	}
	if err := differs("generation", int64(1), made.GetGeneration()); err != nil {
		return err
	}
	made.Object["spec"] = fields{"watts": int64(200)}
	if _, err = objects.Update(ctx, made, metav1.UpdateOptions{}); !apierrors.IsInvalid(err) {
		return fmt.Errorf("beyond the maximum: %w", err)
	}
	return client.Resource(definitions).Delete(ctx, definition.GetName(), metav1.DeleteOptions{})
}

func discoveryMapper(_ context.Context, config *rest.Config, _ string) error {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	for _, style := range []discovery.DiscoveryInterface{client, client.WithLegacy()} {
		mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(style))
		for resource, kind := range map[string]string{"deployments": "apps/v1, Kind=Deployment", "ingresses": "networking.k8s.io/v1, Kind=Ingress", "events": "/v1, Kind=Event"} {
			found, err := mapper.KindFor(schema.GroupVersionResource{Resource: resource})
			if err != nil {
				return err
			}
			if err := differs(resource, kind, found.String()); err != nil {
				return err
			}
		}
		scope, err := mapper.RESTMapping(schema.GroupKind{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"})
		if err != nil {
			return err
		}
		if err := differs("scope", meta.RESTScopeNameRoot, scope.Scope.Name()); err != nil {
			return err
		}
		short, err := restmapper.NewShortcutExpander(mapper, memory.NewMemCacheClient(style), nil).ResourceFor(schema.GroupVersionResource{Resource: "netpol"})
		if err != nil {
			return err
		}
		if err := differs("short name", "networkpolicies", short.Resource); err != nil {
			return err
		}
		if _, _, err = style.ServerGroupsAndResources(); err != nil {
			return err
		}
	}
	return nil
}

func openAPI(_ context.Context, config *rest.Config, _ string) error {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	document, err := client.OpenAPISchema()
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, definition := range document.Definitions.AdditionalProperties {
		known[definition.Name] = true
	}
	for _, name := range []string{"io.k8s.api.apps.v1.Deployment", "io.k8s.api.core.v1.PodSpec", "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"} {
		if !known[name] {
			return fmt.Errorf("no definition of %s", name)
		}
	}
	paths, err := client.OpenAPIV3().Paths()
	if err != nil {
		return err
	}
	text, err := paths["apis/apps/v1"].Schema("application/json")
	if err != nil {
		return err
	}
	if len(text) < 1000 {
		return fmt.Errorf("the third version says only %d bytes", len(text))
	}
	return nil
}

func version(ctx context.Context, config *rest.Config, _ string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	told, err := client.ServerVersion()
	if err != nil {
		return err
	}
	if err := differs("major", "1", told.Major); err != nil {
		return err
	}
	for _, path := range []string{"/readyz", "/livez", "/healthz"} {
		said, err := client.RESTClient().Get().AbsPath(path).DoRaw(ctx)
		if err != nil {
			return err
		}
		if err := differs(path, "ok", string(said)); err != nil {
			return err
		}
	}
	return nil
}

func events(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	about := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "told-of", Namespace: namespace}}
	older := record.NewBroadcaster(record.WithContext(ctx))
	defer older.Shutdown()
	older.StartRecordingToSink(&corev1client.EventSinkImpl{Interface: client.CoreV1().Events(namespace)})
	older.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "goclient"}).Event(about, corev1.EventTypeNormal, "Older", "by the core group")
	newer := recording.NewBroadcaster(&recording.EventSinkImpl{Interface: client.EventsV1()})
	defer newer.Shutdown()
	if err := newer.StartRecordingToSinkWithContext(ctx); err != nil {
		return err
	}
	newer.NewRecorder(scheme.Scheme, "goclient").Eventf(about, nil, corev1.EventTypeNormal, "Newer", "Trying", "by the group of events")
	for _, reason := range []string{"Older", "Newer"} {
		// Each is seen through the other group, too: one store, two groups.
		err := wait.PollUntilContextCancel(ctx, 20*time.Millisecond, true, func(ctx context.Context) (bool, error) {
			inCore, err := client.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=told-of,reason=" + reason})
			if err != nil {
				return false, err
			}
			inEvents, err := client.EventsV1().Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: "regarding.name=told-of,reason=" + reason})
			return err == nil && len(inCore.Items) == 1 && len(inEvents.Items) == 1, err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", reason, err)
		}
	}
	return nil
}

func reviews(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	asked := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: "delete", Resource: "pods"},
	}}
	answer, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, asked, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if err := differs("allowed", true, answer.Status.Allowed); err != nil {
		return err
	}
	config.Impersonate.UserName = "nobody"
	nobody, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	if _, err = nobody.CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		return fmt.Errorf("somebody without rights: %w", err)
	}
	who, err := nobody.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	return differs("user", "nobody", who.Status.UserInfo.Username)
}

func tokens(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	accounts := client.CoreV1().ServiceAccounts(namespace)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "robot"}}
	if _, err = accounts.Create(ctx, account, metav1.CreateOptions{}); err != nil {
		return err
	}
	made, err := accounts.CreateToken(ctx, "robot", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	own := rest.AnonymousClientConfig(config)
	own.BearerToken = made.Status.Token
	robot, err := kubernetes.NewForConfig(own)
	if err != nil {
		return err
	}
	who, err := robot.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	return differs("user", "system:serviceaccount:"+namespace+":robot", who.Status.UserInfo.Username)
}
