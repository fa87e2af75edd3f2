// An API server of Kubernetes that serves custom resources alone, to whoever asks: a peer for tests/cluster.
//
// It is k8s.io/apiextensions-apiserver as it comes (storage in etcd, watches, schemas, the status subresource),
// without what a whole cluster would be needed for: who may do what, and admission.
package main

import (
	"context"
	"log"
	"net/http"
	"os"

	"github.com/spf13/pflag"
	"k8s.io/apiextensions-apiserver/pkg/cmd/server/options"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	genericapiserver "k8s.io/apiserver/pkg/server"
)

func anyone(*http.Request) (*authenticator.Response, bool, error) {
	masters := &user.DefaultInfo{Name: "anyone", Groups: []string{user.SystemPrivilegedGroup}}
	return &authenticator.Response{User: masters}, true, nil
}

func run(ctx context.Context) error {
	chosen := options.NewCustomResourceDefinitionsServerOptions(os.Stdout, os.Stderr)
	chosen.RecommendedOptions.Authentication = nil
	chosen.RecommendedOptions.Authorization = nil
	chosen.RecommendedOptions.Admission = nil
	chosen.RecommendedOptions.Features.EnablePriorityAndFairness = false
	flags := pflag.NewFlagSet("apiserver", pflag.ExitOnError)
	chosen.AddFlags(flags)
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	if err := chosen.Complete(); err != nil {
		return err
	}
	config, err := chosen.Config()
	if err != nil {
		return err
	}
	config.GenericConfig.Authentication.Authenticator = authenticator.RequestFunc(anyone)
	config.GenericConfig.Authorization.Authorizer = authorizerfactory.NewAlwaysAllowAuthorizer()
	server, err := config.Complete().New(genericapiserver.NewEmptyDelegate())
	if err != nil {
		return err
	}
	return server.GenericAPIServer.PrepareRun().RunWithContext(ctx)
}

func main() {
	if err := run(genericapiserver.SetupSignalContext()); err != nil {
		log.Fatal(err)
	}
}
