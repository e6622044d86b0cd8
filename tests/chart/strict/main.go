// Command strict decodes every document of standard input into the type that the Kubernetes API has for its
// apiVersion and kind, and ends with 1 when a field is unknown, given twice or of another type. Dashboards in ConfigMaps
// that Grafana's sidecar would load are decoded into Grafana's own types, which know what is required and of the panels
// their options too. ScaledObject is declared here: KEDA's own types bring half of KEDA along.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"
)

// types has what the chart may render, and nothing else.
var types = map[string]func() any{
	"apps/v1 Deployment":                      func() any { return &appsv1.Deployment{} },
	"apps/v1 StatefulSet":                     func() any { return &appsv1.StatefulSet{} },
	"autoscaling/v2 HorizontalPodAutoscaler":  func() any { return &autoscalingv2.HorizontalPodAutoscaler{} },
	"gateway.networking.k8s.io/v1 HTTPRoute":  func() any { return &gatewayv1.HTTPRoute{} },
	"keda.sh/v1alpha1 ScaledObject":           func() any { return &scaledObject{} },
	"monitoring.coreos.com/v1 PodMonitor":     func() any { return &monitoringv1.PodMonitor{} },
	"monitoring.coreos.com/v1 PrometheusRule": func() any { return &monitoringv1.PrometheusRule{} },
	"monitoring.coreos.com/v1 ServiceMonitor": func() any { return &monitoringv1.ServiceMonitor{} },
	"networking.k8s.io/v1 Ingress":            func() any { return &networkingv1.Ingress{} },
	"networking.k8s.io/v1 NetworkPolicy":      func() any { return &networkingv1.NetworkPolicy{} },
	"policy/v1 PodDisruptionBudget":           func() any { return &policyv1.PodDisruptionBudget{} },
	"v1 ConfigMap":                            func() any { return &corev1.ConfigMap{} },
	"v1 Pod":                                  func() any { return &corev1.Pod{} },
	"v1 Service":                              func() any { return &corev1.Service{} },
	"v1 ServiceAccount":                       func() any { return &corev1.ServiceAccount{} },
}

// scaledObject is keda.sh/v1alpha1 ScaledObject as KEDA 2.19 has it, in
// apis/keda/v1alpha1/scaledobject_types.go and scaletriggers_types.go.
type scaledObject struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		ScaleTargetRef struct {
			Name                   string `json:"name"`
			APIVersion             string `json:"apiVersion"`
			Kind                   string `json:"kind"`
			EnvSourceContainerName string `json:"envSourceContainerName"`
		} `json:"scaleTargetRef"`
		PollingInterval       *int32 `json:"pollingInterval"`
		InitialCooldownPeriod *int32 `json:"initialCooldownPeriod"`
		CooldownPeriod        *int32 `json:"cooldownPeriod"`
		IdleReplicaCount      *int32 `json:"idleReplicaCount"`
		MinReplicaCount       *int32 `json:"minReplicaCount"`
		MaxReplicaCount       *int32 `json:"maxReplicaCount"`
		Advanced              struct {
			HorizontalPodAutoscalerConfig struct {
				Behavior *autoscalingv2.HorizontalPodAutoscalerBehavior `json:"behavior"`
				Name     string                                         `json:"name"`
			} `json:"horizontalPodAutoscalerConfig"`
			RestoreToOriginalReplicaCount bool `json:"restoreToOriginalReplicaCount"`
		} `json:"advanced"`
		Triggers []struct {
			Type              string                         `json:"type"`
			Name              string                         `json:"name"`
			UseCachedMetrics  bool                           `json:"useCachedMetrics"`
			Metadata          map[string]string              `json:"metadata"`
			MetricType        autoscalingv2.MetricTargetType `json:"metricType"`
			AuthenticationRef *struct {
				Name string `json:"name"`
				Kind string `json:"kind"`
			} `json:"authenticationRef"`
		} `json:"triggers"`
		Fallback *struct {
			FailureThreshold int32  `json:"failureThreshold"`
			Replicas         int32  `json:"replicas"`
			Behavior         string `json:"behavior"`
		} `json:"fallback"`
	} `json:"spec"`
}

func check(document []byte) error {
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal(document, &kind); err != nil {
		return err
	}
	name := kind.APIVersion + " " + kind.Kind
	object, known := types[name]
	if !known {
		return fmt.Errorf("%s: not a kind that this chart may render", name)
	}
	decoded := object()
	if err := yaml.UnmarshalStrict(document, decoded); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if config, is := decoded.(*corev1.ConfigMap); is && config.Labels["grafana_dashboard"] != "" {
		return checkDashboards(config)
	}
	return nil
}

func checkDashboards(config *corev1.ConfigMap) error {
	var faults []error
	for name, text := range config.Data {
		if err := checkDashboard([]byte(text)); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(faults...)
}

func checkDashboard(text []byte) error {
	// Only for its faults: no fault is an empty list of them, which is not nil, and ends the decoding of a panel early.
	var faults cog.BuildErrors
	if err := new(dashboard.Dashboard).UnmarshalJSONStrict(text); err != nil && !(errors.As(err, &faults) && len(faults) == 0) {
		return err
	}
	var made dashboard.Dashboard
	if err := json.Unmarshal(text, &made); err != nil {
		return err
	}
	for _, item := range made.Panels {
		if item.Panel == nil {
			continue
		}
		if _, known := cog.ConfigForPanelcfgVariant(item.Panel.Type); !known {
			return fmt.Errorf("panel of type %s: its options are not known here", item.Panel.Type)
		}
	}
	return made.Validate()
}

func run(input io.Reader) error {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(input))
	var faults []error
	count := 0
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if stripped := bytes.TrimSpace(document); len(stripped) == 0 || allComments(stripped) {
			continue
		}
		count++
		if err := check(document); err != nil {
			faults = append(faults, err)
		}
	}
	if count == 0 {
		return errors.New("there is no document")
	}
	fmt.Printf("%d documents\n", count)
	return errors.Join(faults...)
}

func allComments(document []byte) bool {
	for _, line := range bytes.Split(document, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && !bytes.Equal(line, []byte("---")) {
			return false
		}
	}
	return true
}

func main() {
	known := cog.NewRuntime()
	known.RegisterPanelcfgVariant(stat.VariantConfig())
	known.RegisterPanelcfgVariant(timeseries.VariantConfig())
	known.RegisterDataqueryVariant(prometheus.VariantConfig())
	if err := run(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
