package target

import "weft/edge/route"

// LogTo names the topic that records of requests are written to; "": none. It must be
// called before Run.
func (k *Kafka) LogTo(topic string) {}

// Log writes a record of a request, as a CloudEvent, in the background. It never blocks:
// what there is no room for is counted and lost.
func (k *Kafka) Log(r *route.Record) {}
