package main

import (
	"fmt"
)

// A command does by hand, in a terminal, what a button of the page does.
type command struct {
	Title string `json:"title"`
	Run   string `json:"run"`
}

// commands are for the user and the session of t.
func commands(a addresses, t token) []command {
	return []command{
		{
			"Listen as " + t.User + " (Server-Sent Events)",
			fmt.Sprintf("curl -N -H 'Accept: text/event-stream' -H 'Authorization: Bearer %s' 'http://%s/_weft/v1/events?subject=%s'", t.Token, a.Public, topicSubject),
		},
		{
			"Send to " + t.User + " through Kafka",
			fmt.Sprintf(`echo '{"customer":{"id":"%s"},"state":"paid","text":"by hand"}' | kcat -P -b %s -t %s -k %[1]s`, t.User, a.Kafka, kafkaOrders),
		},
		{
			"Send to " + t.User + " through NATS",
			fmt.Sprintf(`nats pub -s nats://%s -H ce-type:order.paid user.%s '{"text":"by hand"}'`, a.NATS, t.User),
		},
		{
			"Send to " + t.User + " over HTTP",
			fmt.Sprintf(`curl -H 'Content-Type: application/json' -d '{"text":"by hand"}' 'http://%s/_weft/v1/events?user=%s&type=order.paid'`, a.Admin, t.User),
		},
		{
			"Send to both through " + topicSubject,
			fmt.Sprintf(`echo '{"text":"by hand"}' | kcat -P -b %s -t %s`, a.Kafka, kafkaChat),
		},
		{
			"Look at the hotel’s page, without a token, and be counted",
			fmt.Sprintf("curl -N -H 'Accept: text/event-stream' 'http://%s/_weft/v1/events?subject=%s&subject=presence.%[2]s&since=1h'", a.Public, hotelSubject),
		},
		{
			"Order as " + t.User + ", through a route to Kafka, and wait for the answer",
			fmt.Sprintf(`curl -H 'Authorization: Bearer %s' -d '{"item":"tea"}' http://%s/api/orders`, t.Token, a.Public),
		},
		{
			"Undo the last change of the route " + changedRoute + ", in the clone",
			fmt.Sprintf("bin/weft route rollback %s --admin %s", changedRoute, a.Admin),
		},
		{
			"Revoke this token of " + t.User,
			fmt.Sprintf("curl -X PUT 'http://%s/_weft/v1/blacklist/%s'", a.Admin, t.Session),
		},
		{
			"The same with nothing but NATS",
			fmt.Sprintf("nats kv put -s nats://%s blacklist %s revoked", a.NATS, t.Session),
		},
	}
}
