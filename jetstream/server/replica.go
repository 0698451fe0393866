package server

import (
	"errors"
	"reflect"
	"sync"
	"time"
	"unsafe" // for go:linkname, too

	natsserver "github.com/nats-io/nats-server/v2/server"

	"weft/jetstream/event"
)

// A stream of an embedded server is reached by no exported name, but its store is exported
// (server/stream.go of v2.15). A version that renames these does not link:
// docs/decisions/0034 says what to do. (The empty file rafttimers.s lets the compiler accept
// declarations without a body.)

//go:linkname lookupStream github.com/nats-io/nats-server/v2/server.(*Account).lookupStream
func lookupStream(acc *natsserver.Account, name string) (stream unsafe.Pointer, err error)

//go:linkname storeOf github.com/nats-io/nats-server/v2/server.(*stream).Store
func storeOf(stream unsafe.Pointer) natsserver.StreamStore

// A Replica is this node's own copy of a stream, as far as it has come. Two are equal when
// they are the same life of the same copy. It is only read, and may be by many at once;
// when the server has stopped meanwhile nothing is found any more.
type Replica struct{ store natsserver.StreamStore }

// ReplicaOf returns this node's copy of a stream of the nodes' own account. It is not ok when
// the node has none.
func ReplicaOf(s *Server, stream string) (r Replica, ok bool) {
	srv := s.running()
	if srv == nil || !readable {
		return Replica{}, false
	}
	acc, err := srv.LookupAccount(accountNodes)
	if err != nil {
		return Replica{}, false
	}
	found, err := lookupStream(acc, stream)
	if err != nil || found == nil {
		return Replica{}, false
	}
	store := storeOf(found)
	return Replica{store}, store != nil
}

// Bounds are the sequences of the first and of the last message; the last is kept when all
// are gone.
func (r Replica) Bounds() (first, last uint64) {
	var st natsserver.StreamState
	r.store.FastState(&st)
	return st.FirstSeq, st.LastSeq
}

// Next returns the first sequence from one on that is stored under an exact subject, or
// under any with "": 0 when there is none. It is not ok when the copy cannot be read.
func (r Replica) Next(subject string, from uint64) (seq uint64, of string, ok bool) {
	buffer := buffers.Get().(*natsserver.StoreMsg)
	defer buffers.Put(buffer)
	m, seq, err := r.store.LoadNextMsg(subject, false, from, buffer)
	switch {
	case errors.Is(err, natsserver.ErrStoreEOF):
		return 0, "", true
	case err != nil || m == nil:
		return 0, "", false
	}
	return seq, (*storeMsg)(unsafe.Pointer(m)).subj, true
}

// buffers keep what a look-up copies and nobody looks at.
var buffers = sync.Pool{New: func() any { return new(natsserver.StoreMsg) }}

// Load returns the message with a sequence. It is not ok when that is not stored.
func (r Replica) Load(seq uint64) (event.Stored, bool) {
	m, err := r.store.LoadMsg(seq, new(natsserver.StoreMsg))
	if err != nil || m == nil {
		return event.Stored{}, false
	}
	s := (*storeMsg)(unsafe.Pointer(m))
	return event.Recorded(s.subj, s.seq, s.hdr, s.msg, time.Unix(0, s.ts)), true
}

// storeMsg is natsserver.StoreMsg, whose fields are not exported.
type storeMsg struct {
	subj string
	hdr  []byte
	msg  []byte
	buf  []byte
	seq  uint64
	ts   int64
}

// readable is whether it still is: if not, copies are read by requests alone.
var readable = sameLayout(reflect.TypeFor[natsserver.StoreMsg](), reflect.TypeFor[storeMsg]())

// sameLayout reports whether two structs have the same fields in the same places.
func sameLayout(a, b reflect.Type) bool {
	if a.NumField() != b.NumField() || a.Size() != b.Size() {
		return false
	}
	for i := range a.NumField() {
		x, y := a.Field(i), b.Field(i)
		if x.Name != y.Name || x.Type != y.Type || x.Offset != y.Offset {
			return false
		}
	}
	return true
}
