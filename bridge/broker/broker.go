// Package broker is how Weft connects to the brokers of Kafka: over TLS, with SASL, and
// with the bounds that all connections have. The ways to and from Kafka stand on it.
package broker

import (
	"crypto/tls"
	"fmt"
	"time"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"

	"weft/bridge"
	"weft/config"
)

// Config is what all connections to brokers have in common: who connects, and how. What a
// part does over them it adds.
func Config(k *bridge.KafkaConfig, tlsConfig *tls.Config) *sarama.Config {
	c := sarama.NewConfig()
	c.ClientID = "weft"
	c.Version = sarama.V3_6_0_0 // older brokers are talked to in what they know
	c.Net.DialTimeout = 5 * time.Second
	c.Net.ReadTimeout = 15 * time.Second
	c.Net.WriteTimeout = 10 * time.Second
	c.Metadata.Full = false
	c.Metadata.RefreshFrequency = time.Minute
	c.Metadata.Retry.Max = 3
	if tlsConfig != nil {
		c.Net.TLS.Enable = true
		c.Net.TLS.Config = tlsConfig.Clone()
	}
	if s := k.SASL; s != nil {
		c.Net.SASL.Enable = true
		c.Net.SASL.Handshake = true
		c.Net.SASL.Version = sarama.SASLHandshakeV1
		c.Net.SASL.User, c.Net.SASL.Password = s.User, s.Password
		c.Net.SASL.Mechanism = sarama.SASLMechanism(s.Mechanism)
		switch s.Mechanism {
		case bridge.MechanismSHA256:
			c.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scramClient{hash: scram.SHA256} }
		case bridge.MechanismSHA512:
			c.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scramClient{hash: scram.SHA512} }
		}
	}
	return c
}

// LoadTLS reads the files of kafka.tls; nil, which is no TLS, of nil.
func LoadTLS(files *config.TLSFiles) (*tls.Config, error) {
	if files == nil {
		return nil, nil
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if files.CA != "" {
		var err error
		if conf.RootCAs, err = config.ReadPool("kafka.tls.ca", files.CA); err != nil {
			return nil, err
		}
	}
	if files.Cert != "" {
		pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
		if err != nil {
			return nil, fmt.Errorf("read kafka.tls.cert and kafka.tls.key: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}
