package kafka

import "github.com/IBM/sarama"

// A fetchClient is the client of a group member that fetches records over connections
// of its own. A broker answers the requests of one connection one after the
// other, and some it answers late: a join when all members have joined, a fetch
// when there are records or the longest wait is over. On one connection a join
// would stop the reading of all partitions that this broker leads, and each
// question at the beginning of a claim would wait for a fetch.
type fetchClient struct {
	sarama.Client               // all but fetches
	fetches       sarama.Client // no other requests
}

// LeaderAndEpoch implements sarama.Client. The consumer asks it where to fetch,
// at the beginning and after each response.
func (f *fetchClient) LeaderAndEpoch(topic string, partition int32) (*sarama.Broker, int32, error) {
	leader, epoch, err := f.Client.LeaderAndEpoch(topic, partition)
	if err != nil {
		return nil, epoch, err
	}
	broker, err := f.fetcher(leader, topic)
	return broker, epoch, err
}

// Broker implements sarama.Client. The consumer asks it for the replica that a
// broker told it to fetch from.
func (f *fetchClient) Broker(id int32) (*sarama.Broker, error) {
	broker, err := f.Client.Broker(id)
	if err != nil {
		return nil, err
	}
	return f.fetcher(broker)
}

// fetcher is the connection for fetches to a broker. That client learns where
// the brokers are only here, when the other one knows it better.
func (f *fetchClient) fetcher(to *sarama.Broker, topics ...string) (*sarama.Broker, error) {
	broker, err := f.fetches.Broker(to.ID())
	if err == nil && broker.Addr() == to.Addr() {
		return broker, nil
	}
	if err := f.fetches.RefreshMetadata(topics...); err != nil {
		return nil, err
	}
	return f.fetches.Broker(to.ID())
}
