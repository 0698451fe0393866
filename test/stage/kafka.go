package stage

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"weft/config/testkit/freeport"
)

// The users that the broker's SASL listener knows.
const (
	KafkaUser     = "weft"
	KafkaPassword = "kafka-password"
)

// A Kafka is an Apache Kafka broker in a process of its own: KRaft, one node, on
// the address that Home says, with a plain listener and one that asks for SASL.
type Kafka struct {
	// Address and SASLAddress are the listeners' host:port.
	Address, SASLAddress string

	dir     string
	lib     string
	process *Process
	fake    *fakeKafka // in place of process where there is no Java
}

// NewKafka fetches the broker's jars if need be, makes its folder below dir and
// starts it. Without Java (and unless CI=true) it says so on standard error and
// starts a stand-in.
func NewKafka(ctx context.Context, dir string) (*Kafka, error) {
	ports, err := freeport.Addresses(Home(), 3)
	if err != nil {
		return nil, err
	}
	k := &Kafka{Address: ports[0], SASLAddress: ports[1], dir: dir}
	if withoutJava() {
		fmt.Fprintln(os.Stderr, "stage: WARNING: no Java or no Maven here: the tests run against an imitation of Kafka\n"+
			"stage: hint: test/scripts/prepare.sh installs what they need")
		k.fake = &fakeKafka{dir: dir}
		return k, k.Start(ctx)
	}
	if k.lib, err = fetchKafka(ctx); err != nil {
		return nil, err
	}
	if err := os.WriteFile(k.file("server.properties"), k.properties(ports[2]), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(k.file("log4j2.yaml"), []byte(brokerLogging), 0o600); err != nil {
		return nil, err
	}
	if err := k.format(ctx); err != nil {
		return nil, err
	}
	return k, k.Start(ctx)
}

// FetchKafka fetches the broker's jars, if need be, for a program that will not
// reach them later.
func FetchKafka(ctx context.Context) error {
	if withoutJava() {
		return nil
	}
	_, err := fetchKafka(ctx)
	return err
}

// fetchKafka returns the folder of the broker's jars.
func fetchKafka(ctx context.Context) (string, error) {
	_, here, _, _ := runtime.Caller(0)
	fetch := exec.CommandContext(ctx, filepath.Join(filepath.Dir(here), "..", "scripts", "kafka.sh"))
	fetch.Stderr = os.Stderr
	lib, err := fetch.Output()
	if err != nil {
		return "", fmt.Errorf("fetch kafka: %w", err)
	}
	return strings.TrimSpace(string(lib)), nil
}

const brokerLogging = `Configuration:
  Appenders:
    Console:
      name: out
      PatternLayout: {pattern: "%p %c{1}: %m%n"}
  Loggers:
    Root:
      level: ERROR
      AppenderRef: {ref: out}
`

func (k *Kafka) file(name string) string { return filepath.Join(k.dir, name) }

func (k *Kafka) properties(controller string) []byte {
	return fmt.Appendf(nil, `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@%[3]s
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://%[1]s,SASL_PLAINTEXT://%[2]s,CONTROLLER://%[3]s
advertised.listeners=PLAINTEXT://%[1]s,SASL_PLAINTEXT://%[2]s
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_%[5]s="%[6]s";
listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
log.dirs=%[4]s
num.partitions=1
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=300
log.segment.bytes=104857600
log.index.size.max.bytes=1048576
`, k.Address, k.SASLAddress, controller, k.file("log"), KafkaUser, KafkaPassword)
}

func (k *Kafka) java(class string, args ...string) *exec.Cmd {
	flags := []string{"-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dlog4j2.configurationFile=" + k.file("log4j2.yaml"), "-cp", k.lib + "/*", class}
	cmd := exec.Command("java", append(flags, args...)...)
	cmd.Dir = k.dir
	return cmd
}

func (k *Kafka) format(ctx context.Context) error {
	id := make([]byte, 16)
	rand.Read(id)
	id[0] &= 0x3f // Kafka refuses ids that begin with "-"
	cmd := k.java("kafka.tools.StorageTool", "format", "-t", base64.RawURLEncoding.EncodeToString(id),
		"-c", k.file("server.properties"),
		"--add-scram", "SCRAM-SHA-512=[name="+KafkaUser+",password="+KafkaPassword+"]")
	p, err := StartProcess("kafka format", cmd)
	if err != nil {
		return err
	}
	defer p.Kill()
	if code, err := p.Wait(ctx); err != nil || code != 0 {
		return fmt.Errorf("format kafka's folder: exit %d, %v\n%s", code, err, strings.Join(p.Output(), "\n"))
	}
	return nil
}

// Start starts the broker and waits until it takes connections.
func (k *Kafka) Start(ctx context.Context) error {
	if k.fake != nil {
		return k.fake.start(k.Address, k.SASLAddress)
	}
	p, err := StartProcess("kafka", k.java("kafka.Kafka", k.file("server.properties")))
	if err != nil {
		return err
	}
	k.process = p
	return k.awaitPort(ctx)
}

func (k *Kafka) awaitPort(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("tcp", k.Address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-tick.C:
		case <-k.process.done:
			return fmt.Errorf("kafka ended:\n%s", strings.Join(k.process.Output(), "\n"))
		case <-ctx.Done():
			return fmt.Errorf("wait for kafka: %w\n%s", ctx.Err(), strings.Join(k.process.Output(), "\n"))
		}
	}
}

// Kill ends the broker with SIGKILL.
func (k *Kafka) Kill() {
	switch {
	case k.fake != nil:
		k.fake.close()
	case k.process != nil:
		k.process.Kill()
	}
}

// Fake says that this is the stand-in.
func (k *Kafka) Fake() bool { return k.fake != nil }

// lookPath finds a program, "" when it is not there. Debian keeps what is mostly
// for root out of other users' PATH.
func lookPath(tool string) string {
	for _, name := range []string{tool, "/usr/sbin/" + tool} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}
