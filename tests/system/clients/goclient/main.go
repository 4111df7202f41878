// Command goclient speaks to a Kubernetes API by client-go, the way controllers do, and says of each thing that it tried
// "name ok" or "name: what went wrong". Run by tests/system/test_client_go.py; KUBECONFIG names the cluster, the only
// argument a namespace that exists.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// A check is one thing that a client of this kind relies on.
type check struct {
	name string
	run  func(context.Context, *rest.Config, string) error
}

var checks = []check{
	{"typed clientset in JSON", typedJSON},
	{"typed clientset in protobuf", typedProtobuf},
	{"typed clientset in CBOR or what it falls back to", typedCBOR},
	{"watch in protobuf", watchProtobuf},
	{"server-side apply by typed configurations", typedApply},
	{"update conflict and retry", updateConflict},
	{"list in pages", pages},
	{"subresources", subresources},
	{"delete by collection", deleteCollection},
	{"dynamic client", dynamicClient},
	{"metadata client", metadataClient},
	{"custom resources", customResources},
	{"informers that start by a watch-list", informersWatchList},
	{"informers that start by a list", informersList},
	{"discovery and REST mapper", discoveryMapper},
	{"OpenAPI of both versions", openAPI},
	{"server version and readiness", version},
	{"leader election by Leases", leaderElection},
	{"events of both groups", events},
	{"reviews of access", reviews},
	{"tokens of service accounts", tokens},
}

func main() {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	config.QPS = -1 // no limit: the program hurries
	failed := false
	for _, c := range checks {
		ctx, done := context.WithTimeout(context.Background(), 30*time.Second)
		if err := c.run(ctx, rest.CopyConfig(config), os.Args[1]); err != nil {
			failed = true
			fmt.Printf("%s: %v\n", c.name, err)
		} else {
			fmt.Printf("%s ok\n", c.name)
		}
		done()
	}
	if failed {
		os.Exit(1)
	}
}

func differs(what string, expected, actual any) error {
	if expected == actual {
		return nil
	}
	return fmt.Errorf("%s: expected %v, got %v", what, expected, actual)
}

var configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
