package main

import (
	"io"
	"net/http"
	"sync"
)

// queue is how many events may wait for a subscriber.
const queue = 16

// hub knows the subscribers.
type hub struct {
	mu          sync.RWMutex
	subscribers map[chan []byte]bool
}

func (h *hub) subscribe() chan []byte {
	events := make(chan []byte, queue)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subscribers[events] = true
	return events
}

func (h *hub) unsubscribe(events chan []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.subscribers, events)
}

// publish hands the event to all; who does not keep up misses it.
func (h *hub) publish(w http.ResponseWriter, r *http.Request) {
	event, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "read the event", http.StatusBadRequest)
		return
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	for events := range h.subscribers {
		select {
		case events <- event:
		default:
		}
	}
}
