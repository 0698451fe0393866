package broker

import (
	"fmt"

	"github.com/xdg-go/scram"
)

// scramClient speaks SCRAM (RFC 5802) for sarama.
type scramClient struct {
	hash scram.HashGeneratorFcn
	conv *scram.ClientConversation
}

// Begin implements sarama.SCRAMClient.
func (s *scramClient) Begin(user, password, authzID string) error {
	client, err := s.hash.NewClient(user, password, authzID)
	if err != nil {
		return fmt.Errorf("begin SCRAM: %w", err)
	}
	s.conv = client.NewConversation()
	return nil
}

// Step implements sarama.SCRAMClient.
func (s *scramClient) Step(challenge string) (string, error) { return s.conv.Step(challenge) }

// Done implements sarama.SCRAMClient.
func (s *scramClient) Done() bool { return s.conv.Done() }
