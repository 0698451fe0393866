package stage

import (
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
)

// A fakeKafka stands in for the broker where there is no Java: franz-go's
// implementation of the protocol, in this process. What it shows about Weft is
// less than what Apache Kafka shows, so it is never used when CI=true.
type fakeKafka struct {
	dir         string
	plain, sasl *kfake.Cluster
}

// withoutJava says that the stand-in has to do.
func withoutJava() bool {
	for _, tool := range []string{"java", "mvn"} {
		if lookPath(tool) == "" && os.Getenv("CI") != "true" {
			return true
		}
	}
	return false
}

func (f *fakeKafka) start(plain, sasl string) (err error) {
	at := kfake.ListenFn(func(network, address string) (net.Listener, error) {
		return net.Listen(network, net.JoinHostPort(Home(), strconv.Itoa(port(address))))
	})
	f.plain, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port(plain)), at,
		kfake.DataDir(filepath.Join(f.dir, "plain")))
	if err != nil {
		return err
	}
	f.sasl, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port(sasl)), at, kfake.EnableSASL(),
		kfake.Superuser("PLAIN", KafkaUser, KafkaPassword), kfake.Superuser("SCRAM-SHA-512", KafkaUser, KafkaPassword))
	return err
}

func (f *fakeKafka) close() {
	if f.plain != nil {
		f.plain.Close()
		f.plain = nil
	}
	if f.sasl != nil {
		f.sasl.Close()
		f.sasl = nil
	}
}

func port(address string) int {
	_, p, _ := net.SplitHostPort(address)
	n, _ := strconv.Atoi(p)
	return n
}
