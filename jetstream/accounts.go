package jetstream

import (
	"fmt"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

// configureAccounts adds the accounts to the options. A store must be there for its
// account before the server hears of any stream in the cluster: of a stream that it
// then cannot open it deletes the log of its copy. What can be called once the
// server runs comes too late, and only the text of a configuration comes before.
func configureAccounts(opts *server.Options) (events, system *server.Account, err error) {
	text := "accounts { " + accountEvents + ": { jetstream: disabled }, " + accountSystem + ": {} }"
	if opts.JetStream {
		text = strings.Replace(text, "disabled", "enabled", 1)
	}
	if err := opts.ProcessConfigString(text); err != nil {
		return nil, nil, fmt.Errorf("configure accounts: %w", err)
	}
	for _, a := range opts.Accounts {
		switch a.Name {
		case accountEvents:
			events = a
		case accountSystem:
			system = a
		}
	}
	return events, system, nil
}
