// Package reply is where requests wait for answers that come later, by Kafka, by HTTP or
// by NATS, and name the correlation that the request was sent with.
//
// A correlation is <instance>.<random>: 48 random bits of this process and 128 of the
// request, in base64url. So every answer says which process waits for it, nobody can
// guess one, and after a restart old correlations are nobody's.
//
// The place in which a request waits (Waiting.Expect) is made before the request leaves,
// so no answer is too early. The first answer wins. Transport makes any target one that
// is answered later; Waiting.Route brings an answer to the node that waits for it.
package reply

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/route"
	"weft/jetstream/rpc"
)

// An Outcome is what became of an answer.
type Outcome string

// The outcomes.
const (
	Delivered Outcome = "delivered"
	Late      Outcome = "late" // nobody waits, any more or at all
	Duplicate Outcome = "duplicate"
	Bad       Outcome = "bad"
	Foreign   Outcome = "foreign" // it is another instance's
)

// Bits of a correlation, in bytes, and how long they are in base64url.
const (
	instanceBytes, instanceText = 6, 8
	randomBytes, randomText     = 16, 22
)

// Waiting are the places in which requests of this process wait. It is safe for
// concurrent use; nothing in it blocks but Route.
type Waiting struct {
	instance string
	outcomes map[Outcome]prometheus.Counter

	mu       sync.Mutex
	places   map[string]chan<- *route.Answer // by the random part
	answered recent

	nodes directory
}

// New makes a Waiting with an instance of its own.
func New(reg prometheus.Registerer) *Waiting {
	w := &Waiting{instance: random(instanceBytes), outcomes: map[Outcome]prometheus.Counter{}, places: map[string]chan<- *route.Answer{}}
	total := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "weft_route_replies_total",
		Help: "Answers that came later, by what became of them: handed to the request that waited (delivered), too late or for nobody (late), a second one (duplicate), with a status that is none (bad), read here and of another process (foreign)."},
		[]string{"outcome"})
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "weft_route_replies_waiting", Help: "Requests that wait for an answer that comes later."},
		func() float64 { return float64(w.Len()) })
	reg.MustRegister(total, waiting)
	for _, o := range []Outcome{Delivered, Late, Duplicate, Bad, Foreign} {
		w.outcomes[o] = total.WithLabelValues(string(o))
	}
	return w
}

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// NewCorrelation makes one that nobody waits for: it names a request, and what becomes of it.
func (w *Waiting) NewCorrelation() string { return w.instance + "." + random(randomBytes) }

// Expect makes a place, before the request leaves: the correlation to send with it, and
// how to wait for the answer. forget must be called; it may be called more than once.
func (w *Waiting) Expect() (correlation string, answer <-chan *route.Answer, forget func()) {
	key, place := random(randomBytes), make(chan *route.Answer, 1)
	w.mu.Lock()
	w.places[key] = place
	w.mu.Unlock()
	return w.instance + "." + key, place, func() {
		w.mu.Lock()
		delete(w.places, key)
		w.mu.Unlock()
	}
}

// Len is how many requests wait.
func (w *Waiting) Len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.places)
}

// split takes a correlation apart.
func split(correlation string) (instance, key string, ok bool) {
	instance, key, ok = strings.Cut(correlation, ".")
	return instance, key, ok && isRandom(instance, instanceText) && isRandom(key, randomText)
}

// isRandom reports whether random may have made a text of this length.
func isRandom(text string, length int) bool {
	for i := range len(text) {
		c := text[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return len(text) == length
}

// Mine reports whether a correlation is of this process.
func (w *Waiting) Mine(correlation string) bool {
	instance, _, ok := split(correlation)
	return ok && instance == w.instance
}

// Deliver hands an answer to the request that waits for it; err says that it is bad, which
// the request is told. It counts the outcome.
func (w *Waiting) Deliver(correlation string, a *route.Answer, err error) Outcome {
	o := w.deliver(correlation, a, err)
	w.outcomes[o].Inc()
	return o
}

func (w *Waiting) deliver(correlation string, a *route.Answer, err error) Outcome {
	instance, key, ok := split(correlation)
	if !ok || instance != w.instance {
		return Foreign
	}
	if err != nil {
		a = &route.Answer{Err: err}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	place, ok := w.places[key]
	switch {
	case !ok && w.answered.has(key):
		return Duplicate
	case !ok:
		return Late
	}
	delete(w.places, key)
	w.answered.add(key)
	place <- a // there is room for the one that comes
	if err != nil {
		return Bad
	}
	return Delivered
}

// Take is Deliver for a reader that does not ask what became of an answer.
func (w *Waiting) Take(correlation string, a *route.Answer, err error) {
	w.Deliver(correlation, a, err)
}

// maxRecent is how many keys each generation of a recent holds.
const maxRecent = 1 << 15

// A recent remembers between maxRecent and twice as many of the keys that were added
// last. Its zero value is empty.
type recent struct{ young, old map[string]struct{} }

func (r *recent) add(key string) {
	if r.young == nil || len(r.young) >= maxRecent {
		r.old, r.young = r.young, map[string]struct{}{}
	}
	r.young[key] = struct{}{}
}

func (r *recent) has(key string) bool {
	_, young := r.young[key]
	_, old := r.old[key]
	return young || old
}

// AnswerNodes lets other nodes bring answers here, and Route bring them there; members are
// the names of those that the cluster has, as far as this node knows. It is called once,
// before anything is routed; without it this node is taken for the only one.
func (w *Waiting) AnswerNodes(nodes *rpc.RPC, members func() []string) {
	w.nodes.open(nodes, members, w.instance)
	w.handle(nodes)
}
