package main

import (
	"fmt"
	"net/http"
)

func (h *hub) sse(w http.ResponseWriter, r *http.Request) {
	events := h.subscribe()
	defer h.unsubscribe(events)
	w.Header().Set("Content-Type", "text/event-stream")
	flusher := w.(http.Flusher)
	fmt.Fprint(w, ": hello\n\n")
	flusher.Flush()
	for {
		select {
		case event := <-events:
			if _, err := fmt.Fprintf(w, "data: %s\n\n", event); err != nil {
				return
			}
			flusher.Flush()
		case <-r.Context().Done():
			return
		}
	}
}
