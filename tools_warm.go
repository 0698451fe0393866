//go:build tools

package weft
import (_ "github.com/nats-io/nats-server/v2/server"; _ "github.com/nats-io/nats.go/jetstream"; _ "github.com/IBM/sarama"; _ "github.com/gorilla/websocket"; _ "github.com/golang-jwt/jwt/v5"; _ "github.com/twmb/franz-go/pkg/kfake"; _ "github.com/twmb/franz-go/pkg/kgo"; _ "github.com/xdg-go/scram"; _ "github.com/prometheus/client_golang/prometheus/promhttp"; _ "github.com/go-openapi/jsonpointer"; _ "github.com/goccy/go-yaml"; _ "github.com/spf13/cobra"; _ "golang.org/x/time/rate"; _ "go.uber.org/goleak"; _ "github.com/chromedp/chromedp"; _ "github.com/MicahParks/jwkset")
